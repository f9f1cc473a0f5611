//! The table of workers.

use crate::{
    table::{Align, table},
    text::{duration, one_line, ranges},
};
use proto::v1::Worker;

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
    table(&columns, &rows)
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
}
