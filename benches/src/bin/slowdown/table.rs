//! What windows come to.

use benches::{at_percent, median};

/// Who is there in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nobody but who measures.
    Nobody,
    /// Somebody who asks for predictions.
    Predictions,
    /// Many who look on.
    Readers,
}

/// What was measured in a window.
#[derive(Debug, Clone)]
pub struct Window {
    /// Who was there.
    pub kind: Kind,
    /// Images that were trained in a second.
    pub rate: f64,
    /// Parts of a core that the coordinator, and those who were there, took.
    pub cpu: [f64; 2],
    /// Milliseconds that each prediction took.
    pub answered: Vec<f64>,
}

/// The ratios of the windows of `kind` to the mean of the windows before and after each. So a machine that gets slower, or
/// faster, makes no difference.
fn ratios(windows: &[Window], kind: Kind) -> Vec<f64> {
    let compared = windows.windows(3).filter(|three| three[1].kind == kind);
    compared.map(|three| 2.0 * three[1].rate / (three[0].rate + three[2].rate)).collect()
}

/// Prints a row for each of `kinds`, on a machine with so many cores.
pub fn print(windows: &[Window], cores: usize, kinds: &[(Kind, String)]) {
    let of = |kind: Kind| windows.iter().filter(move |window| window.kind == kind);
    let cpu = |kind: Kind, which: usize| median(&of(kind).map(|window| window.cpu[which]).collect::<Vec<_>>());
    println!("| beside it | images/s | slower by | of which coordinator | and who asks or reads | quarters |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for (kind, name) in kinds {
        let rate = median(&of(*kind).map(|window| window.rate).collect::<Vec<_>>());
        if *kind == Kind::Nobody {
            println!("| {name} | {rate:.0} | | ({:.1} % of a core) | | |", 100.0 * cpu(*kind, 0));
            continue;
        }
        let slower: Vec<f64> = ratios(windows, *kind).iter().map(|ratio| 100.0 * (1.0 - ratio)).collect();
        // What they take of the processors that training would have.
        let more = |which: usize| 100.0 * (cpu(*kind, which) - cpu(Kind::Nobody, which)) / cores as f64;
        println!(
            "| {name} | {rate:.0} | {:.1} % | {:.1} % | {:.1} % | {:.1} to {:.1} % |",
            median(&slower),
            more(0),
            more(1),
            at_percent(&slower, 25),
            at_percent(&slower, 75)
        );
    }
    let answered: Vec<f64> = windows.iter().flat_map(|window| &window.answered).copied().collect();
    println!(
        "\nA prediction takes {:.1} ms at the median and {:.1} ms at the 99th percentile meanwhile.",
        median(&answered),
        at_percent(&answered, 99)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_becomes_slower_makes_no_difference() {
        let window = |kind, rate| Window { kind, rate, cpu: [0.0; 2], answered: Vec::new() };
        let rates = [1000.0, 855.0, 800.0, 630.0, 600.0];
        let kinds = [Kind::Nobody, Kind::Predictions, Kind::Nobody, Kind::Readers, Kind::Nobody];
        let windows: Vec<Window> = kinds.into_iter().zip(rates).map(|(kind, rate)| window(kind, rate)).collect();
        assert_eq!((ratios(&windows, Kind::Predictions), ratios(&windows, Kind::Readers)), (vec![0.95], vec![0.9]));
    }
}
