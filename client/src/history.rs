//! `cox history`: the epochs that are done, in a table.

use crate::{
    args::History,
    csv,
    error::Failure,
    look::{Ink, Look},
    output::Output,
    requirement,
    source::Source,
};
use proto::v1::Epoch;
use tonic::transport::Uri;
use view::{Align, EpochView, duration, percent, rate, speed, table};

/// Prints the epochs that are done.
///
/// # Errors
/// If they cannot be had or written, or a requirement is not met.
pub async fn history(url: &Uri, options: &History, output: &Output) -> Result<(), Failure> {
    let source = Source::of(&options.from, url).await?;
    let run = source.whole_run().await?;
    let epochs = &run.epochs;
    let shown = &epochs[epochs.len().saturating_sub(options.tail.unwrap_or(usize::MAX))..];
    if output.json() {
        output.json_object(&shown.iter().map(EpochView::new).collect::<Vec<_>>())?;
    } else if options.csv {
        output.lines(csv_lines(shown))?;
    } else if epochs.is_empty() {
        output.text("no epoch is done yet\n")?;
    } else {
        output.lines(lines(epochs, shown.len(), output.look()))?;
    }
    requirement::check(&options.demands, &run)
}

/// A table of the last `count` of all `epochs`. The best of all is marked.
#[must_use]
pub fn lines(epochs: &[Epoch], count: usize, look: Look) -> Vec<String> {
    columns(epochs, count, look, 9)
}

/// The same without speeds, for terminals of the usual width.
#[must_use]
pub fn brief(epochs: &[Epoch], count: usize, look: Look) -> Vec<String> {
    columns(epochs, count, look, 7)
}

/// The first `width` columns of the table.
fn columns(epochs: &[Epoch], count: usize, look: Look, width: usize) -> Vec<String> {
    let best = best(epochs);
    let heading = ["EPOCH", "TRAIN LOSS", "TRAIN ACC", "TEST LOSS", "TEST ACC", "RATE", "TIME", "SPEED", ""];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    let shown = epochs.iter().skip(epochs.len().saturating_sub(count));
    rows.extend(shown.clone().map(|epoch| row(epoch, best)));
    let mut columns = [Align::Right; 9];
    columns[8] = Align::Left;
    for row in &mut rows {
        row.truncate(width);
    }
    let lines = table(&columns[..width], &rows).into_iter().enumerate();
    let bests: Vec<bool> = shown.map(|epoch| Some(epoch.epoch) == best).collect();
    let ink = |index: usize| match index.checked_sub(1) {
        None => Some(Ink::Faint),
        Some(index) => bests.get(index).filter(|best| **best).map(|_| Ink::Good),
    };
    lines.map(|(index, line)| ink(index).map_or_else(|| line.clone(), |ink| look.paint(ink, &line))).collect()
}

fn row(epoch: &Epoch, best: Option<u32>) -> Vec<String> {
    vec![
        (u64::from(epoch.epoch) + 1).to_string(),
        format!("{:.4}", epoch.train_loss),
        percent(epoch.train_accuracy),
        format!("{:.4}", epoch.test_loss),
        percent(epoch.test_accuracy),
        rate(epoch.learning_rate),
        duration(epoch.seconds),
        speed(epoch.images_per_second),
        if Some(epoch.epoch) == best { "best".to_owned() } else { String::new() },
    ]
}

/// The epoch with the highest test accuracy; of equals the first.
fn best(epochs: &[Epoch]) -> Option<u32> {
    let known = epochs.iter().filter(|epoch| epoch.test_accuracy.is_finite());
    let better = |best: Option<&'_ Epoch>, accuracy| best.is_none_or(|best| best.test_accuracy < accuracy);
    let mut best = None;
    for epoch in known {
        if better(best, epoch.test_accuracy) {
            best = Some(epoch);
        }
    }
    best.map(|epoch| epoch.epoch)
}

/// With the names of the protocol, epochs from 0.
fn csv_lines(epochs: &[Epoch]) -> impl Iterator<Item = String> {
    const NAMES: &str = "epoch,train_loss,train_accuracy,train_images,test_loss,test_accuracy,learning_rate,seconds,\
                         train_seconds,images_per_second,note";
    let line = |epoch: &Epoch| {
        csv::line([
            epoch.epoch.to_string(),
            epoch.train_loss.to_string(),
            epoch.train_accuracy.to_string(),
            epoch.train_images.to_string(),
            epoch.test_loss.to_string(),
            epoch.test_accuracy.to_string(),
            epoch.learning_rate.to_string(),
            epoch.seconds.to_string(),
            epoch.train_seconds.to_string(),
            epoch.images_per_second.to_string(),
            epoch.note.clone(),
        ])
    };
    std::iter::once(NAMES.to_owned()).chain(epochs.iter().map(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs() -> Vec<Epoch> {
        let epoch = |(epoch, test_accuracy): (u32, f64)| Epoch {
            epoch,
            train_loss: 1.5,
            train_accuracy: 0.45,
            test_loss: 1.25,
            test_accuracy,
            learning_rate: 0.1,
            seconds: 187.0,
            images_per_second: 1234.0,
            train_images: 50_000,
            train_seconds: 180.5,
            note: "the rate falls, \"again\"".to_owned(),
            ..Epoch::default()
        };
        (0..).zip([0.5, 0.7125, f64::NAN, 0.7125]).map(epoch).collect()
    }

    #[test]
    fn the_best_is_marked_even_if_it_is_not_shown() {
        let expected = [
            "EPOCH  TRAIN LOSS  TRAIN ACC  TEST LOSS  TEST ACC  RATE   TIME           SPEED",
            "    1      1.5000    45.00 %     1.2500   50.00 %   0.1  3m07s  1,234 images/s",
            "    2      1.5000    45.00 %     1.2500   71.25 %   0.1  3m07s  1,234 images/s  best",
            "    3      1.5000    45.00 %     1.2500     NaN %   0.1  3m07s  1,234 images/s",
            "    4      1.5000    45.00 %     1.2500   71.25 %   0.1  3m07s  1,234 images/s",
        ];
        assert_eq!(lines(&epochs(), 9, Look::plain(100)), expected);
        let last = lines(&epochs(), 2, Look::plain(100));
        assert_eq!((last.len(), last.iter().any(|line| line.contains("best"))), (3, false));
        let painted = lines(&epochs(), 9, Look { color: true, ..Look::plain(100) });
        assert!(painted[2].starts_with("\u{1b}[32m") && !painted[1].contains('\u{1b}'), "{painted:?}");
    }

    #[test]
    fn csv_has_the_names_of_the_protocol() {
        let lines: Vec<String> = csv_lines(&epochs()[1..2]).collect();
        assert!(lines[0].starts_with("epoch,train_loss,train_accuracy,train_images,"));
        assert_eq!(lines[1], "1,1.5,0.45,50000,1.25,0.7125,0.1,187,180.5,1234,\"the rate falls, \"\"again\"\"\"");
    }
}
