//! `cox workers`, and the table of workers of `cox status`.

use crate::{
    args::Workers,
    error::Failure,
    look::{Ink, Look},
    output::Output,
    source::Source,
};
use program::text::one_line;
use proto::v1::Worker;
use tonic::transport::Uri;
use view::{Align, WorkerView, duration, ranges, table};

/// Prints the workers that are attached.
///
/// # Errors
/// If the run cannot be looked at, or the output cannot be written.
pub async fn workers(url: &Uri, options: &Workers, output: &Output) -> Result<(), Failure> {
    let run = Source::of(&options.from, url).await?.run().await?;
    if output.json() {
        return output.json_object(&run.workers.iter().map(WorkerView::new).collect::<Vec<_>>());
    }
    if run.workers.is_empty() {
        return output.text("no worker is attached\n");
    }
    let look = output.look();
    let paint = |(index, line): (usize, String)| if index == 0 { look.paint(Ink::Faint, &line) } else { line };
    output.lines(fitting(&run.workers, look).into_iter().enumerate().map(paint))
}

/// The lines of the table, as they fit where they are shown: devices without their names, if those would have them wrap.
#[must_use]
pub fn fitting(workers: &[Worker], look: Look) -> Vec<String> {
    let whole = lines(workers);
    if !look.wraps || whole.iter().all(|line| line.chars().count() <= look.width) {
        return whole;
    }
    let brief: Vec<Worker> =
        workers.iter().map(|worker| Worker { device_name: String::new(), ..worker.clone() }).collect();
    lines(&brief)
}

/// The lines of the table, heading first; none without workers.
#[must_use]
pub fn lines(workers: &[Worker]) -> Vec<String> {
    if workers.is_empty() {
        return Vec::new();
    }
    let columns =
        [Align::Left, Align::Right, Align::Left, Align::Left, Align::Right, Align::Right, Align::Right, Align::Right];
    let heading =
        ["WORKER", "RANK", "DEVICE", "SHARDS", "EPOCH:STEP", "WORKS", "WAITS", "LAST SEEN"].map(str::to_owned).to_vec();
    let mut rows = vec![heading];
    rows.extend(workers.iter().map(row));
    let mut lines = table(&columns, &rows);
    lines.extend(workers.iter().filter_map(aside));
    lines
}

/// Why a worker is set aside, and when it is tried again.
fn aside(worker: &Worker) -> Option<String> {
    let when = match worker.back_in_seconds? {
        0.0 => "rehearses".to_owned(),
        seconds => format!("is tried again in {}", duration(seconds)),
    };
    let (name, reason) = (one_line(&worker.name), one_line(&worker.set_aside));
    Some(format!("{name} is set aside and {when}: {reason}"))
}

fn row(worker: &Worker) -> Vec<String> {
    let device = match one_line(&worker.device_name) {
        name if name.is_empty() || name == worker.device => one_line(&worker.device),
        name => format!("{} ({name})", one_line(&worker.device)),
    };
    vec![
        one_line(&worker.name),
        place(worker),
        device,
        ranges(&worker.shards),
        format!("{}:{}", u64::from(worker.epoch) + 1, worker.step),
        step_time(worker.compute_seconds),
        step_time(worker.wait_seconds),
        format!("{} ago", duration(worker.last_seen_ms as f64 / 1000.0)),
    ]
}

/// Its rank, or why it has none.
fn place(worker: &Worker) -> String {
    match worker.rank {
        Some(rank) => rank.to_string(),
        None if worker.back_in_seconds.is_some() => "aside".to_owned(),
        None if worker.preparing => "prepares".to_owned(),
        None => "spare".to_owned(),
    }
}

/// Of a step; empty before the first.
fn step_time(seconds: f64) -> String {
    if seconds > 0.0 { format!("{:.0} ms", seconds * 1000.0) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_no_rank_says_why() {
        let worker = |name: &str, rank, preparing| Worker {
            name: name.to_owned(),
            device: "cpu".to_owned(),
            rank,
            preparing,
            ..Worker::default()
        };
        let table = lines(&[worker("a", Some(3), false), worker("b", None, false), worker("c", None, true)]);
        let places: Vec<&str> = table.iter().filter_map(|line| line.split_whitespace().nth(1)).collect();
        assert_eq!(places, ["RANK", "3", "spare", "prepares"]);
    }

    #[test]
    fn who_is_set_aside_is_told_why_and_until_when() {
        let worker = |back_in_seconds| Worker {
            name: "gpu-3".to_owned(),
            device: "cuda:0".to_owned(),
            preparing: true,
            strikes: 2,
            set_aside: "CUDA error: an illegal memory access".to_owned(),
            back_in_seconds,
            ..Worker::default()
        };
        let table = lines(&[worker(Some(3.5)), worker(Some(0.0)), worker(None)]);
        let reason = "CUDA error: an illegal memory access";
        assert_eq!(
            table[4..],
            [
                format!("gpu-3 is set aside and is tried again in 3.5s: {reason}"),
                format!("gpu-3 is set aside and rehearses: {reason}"),
            ]
        );
        assert!(table[1].contains("aside") && table[3].contains("prepares"), "{table:?}");
    }
}
