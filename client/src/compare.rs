//! `cox compare`: runs side by side: their figures, how soon they were how good, their courses, and the settings that differ.

use crate::{
    args::Compare,
    error::Failure,
    look::{Ink, Look},
    output::Output,
    settings,
    source::Source,
};
use plan::number;
use program::text::one_line;
use proto::v1::{Epoch, Run};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use view::{Align, duration, percent, table, word};

/// Test accuracies, in percent, of which it is told how soon they were reached.
const LEVELS: [u32; 17] = [10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 92, 94, 95, 96, 98, 99];
/// Levels that are shown at most: the highest.
const SHOWN: usize = 6;
/// Columns of a course at most.
const WIDTH: usize = 60;
/// From nothing to all.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A run with the name that it was given on the command line.
#[derive(Debug)]
pub struct Named {
    /// As it was given.
    pub name: String,
    /// As it stands.
    pub run: Run,
}

/// Prints runs side by side.
///
/// # Errors
/// If one of them is not there, or the output cannot be written.
pub async fn compare(options: &Compare, output: &Output) -> Result<(), Failure> {
    let mut runs = Vec::new();
    for name in &options.runs {
        runs.push(Named { name: name.clone(), run: Source::named(name).await?.whole_run().await? });
    }
    if output.json() { output.json_object(&json(&runs)) } else { output.lines(lines(&runs, output.look())) }
}

/// Everything, as text.
#[must_use]
pub fn lines(runs: &[Named], look: Look) -> Vec<String> {
    let mut parts = vec![figures(runs), levels(runs), courses(runs, look), differences(runs)];
    parts.retain(|part| part.len() > 1);
    let heads = |part: Vec<String>| {
        let paint = |(index, line): (usize, String)| if index == 0 { look.paint(Ink::Faint, &line) } else { line };
        part.into_iter().enumerate().map(paint).collect::<Vec<_>>()
    };
    let parts: Vec<Vec<String>> = parts.into_iter().map(heads).collect();
    parts.join(&String::new())
}

fn figures(runs: &[Named]) -> Vec<String> {
    let heading = ["RUN", "STATE", "EPOCHS", "TEST ACC", "BEST", "TEST LOSS", "TRAIN LOSS", "TIME", "WEIGHTS"];
    let mut columns = [Align::Right; 9];
    (columns[0], columns[1], columns[8]) = (Align::Left, Align::Left, Align::Left);
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(runs.iter().map(|named| {
        let (run, last) = (&named.run, named.run.epochs.last());
        let loss = |of: fn(&Epoch) -> f64| last.map(|epoch| format!("{:.4}", of(epoch))).unwrap_or_default();
        vec![
            one_line(&named.name),
            word(run.state()).to_owned(),
            format!("{}/{}", last.map_or(0, |last| u64::from(last.epoch) + 1), run.total_epochs()),
            last.map(|epoch| percent(epoch.test_accuracy)).unwrap_or_default(),
            best(run).map(percent).unwrap_or_default(),
            loss(|epoch| epoch.test_loss),
            loss(|epoch| epoch.train_loss),
            duration(seconds(run)),
            run.weights_sha256.chars().take(12).collect(),
        ]
    }));
    table(&columns, &rows)
}

/// The highest test accuracy of any epoch.
fn best(run: &Run) -> Option<f64> {
    run.epochs.iter().map(|epoch| epoch.test_accuracy).filter(|accuracy| accuracy.is_finite()).reduce(f64::max)
}

/// Of all epochs that are done.
fn seconds(run: &Run) -> f64 {
    run.epochs.iter().map(|epoch| epoch.seconds).fold(0.0, |sum, seconds| sum + seconds)
}

/// The epoch, counted from 1, and the seconds of training and evaluation after which `run` was first as good as `level`.
fn reached(run: &Run, level: f64) -> Option<(u64, f64)> {
    let mut time = 0.0;
    for epoch in &run.epochs {
        time += epoch.seconds;
        if epoch.test_accuracy >= level {
            return Some((u64::from(epoch.epoch) + 1, time));
        }
    }
    None
}

/// The highest levels that any run has reached.
fn levels_of(runs: &[Named]) -> Vec<u32> {
    let best = runs.iter().filter_map(|named| best(&named.run)).fold(0.0, f64::max);
    let mut levels: Vec<u32> = LEVELS.into_iter().filter(|level| f64::from(*level) / 100.0 <= best).collect();
    levels.drain(..levels.len().saturating_sub(SHOWN));
    levels
}

fn levels(runs: &[Named]) -> Vec<String> {
    let levels = levels_of(runs);
    let mut heading = vec!["TEST ACC REACHED".to_owned()];
    heading.extend(levels.iter().map(|level| format!("{level} %")));
    let mut rows = vec![heading];
    if !levels.is_empty() {
        rows.extend(runs.iter().map(|named| {
            let when = |level: &u32| match reached(&named.run, f64::from(*level) / 100.0) {
                Some((epoch, seconds)) => format!("{} (epoch {epoch})", duration(seconds)),
                None => "-".to_owned(),
            };
            std::iter::once(one_line(&named.name)).chain(levels.iter().map(when)).collect()
        }));
    }
    let mut columns = vec![Align::Right; levels.len() + 1];
    columns[0] = Align::Left;
    table(&columns, &rows)
}

fn courses(runs: &[Named], look: Look) -> Vec<String> {
    let width = WIDTH.min(look.width.saturating_sub(40)).max(10);
    let known = |run: &Run| run.epochs.iter().map(|epoch| epoch.test_accuracy).collect::<Vec<_>>();
    let all: Vec<f64> = runs.iter().flat_map(|named| known(&named.run)).filter(|value| value.is_finite()).collect();
    let least = all.iter().copied().fold(f64::INFINITY, f64::min);
    let most = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let longest = runs.iter().map(|named| named.run.epochs.len()).max().unwrap_or_default();
    let scale = if least < most { format!(" FROM {} TO {}", percent(least), percent(most)) } else { String::new() };
    let mut rows = vec![vec![format!("TEST ACC{scale}")]];
    if longest > 0 {
        let curve = |run: &Run| course(&known(run), (least, most), longest, width);
        rows.extend(runs.iter().map(|named| vec![one_line(&named.name), curve(&named.run)]));
    }
    let mut lines = table(&[Align::Left, Align::Left], &rows[1..]);
    lines.insert(0, rows[0].concat());
    lines
}

/// The course of `values` as blocks between `least` and `most`: each block the mean of some of `longest` epochs.
#[must_use]
fn course(values: &[f64], (least, most): (f64, f64), longest: usize, width: usize) -> String {
    let of_a_block = longest.div_ceil(width).max(1);
    let block = |values: &[f64]| {
        let known: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        if known.is_empty() {
            return ' ';
        }
        let mean = known.iter().fold(0.0, |sum, value| sum + value) / known.len() as f64;
        let height = if most > least { (mean - least) / (most - least) } else { 1.0 };
        let top = BLOCKS.len() - 1;
        BLOCKS.get((height * top as f64).round() as usize).copied().unwrap_or(BLOCKS[top])
    };
    values.chunks(of_a_block).map(block).collect()
}

/// The names of the settings that are not the same in all runs.
fn differing(runs: &[Named]) -> Vec<(String, Vec<Value>)> {
    let all: Vec<_> = runs.iter().map(|named| settings::flat(&named.run)).collect();
    let names: BTreeSet<&String> = all.iter().flat_map(|settings| settings.keys()).collect();
    let values = |name: &String| -> Vec<Value> {
        all.iter().map(|settings| settings.get(name).cloned().unwrap_or_default()).collect()
    };
    let of = names.into_iter().map(|name| (name.clone(), values(name)));
    of.filter(|(_, values)| values.windows(2).any(|pair| pair[0] != pair[1])).collect()
}

fn differences(runs: &[Named]) -> Vec<String> {
    let differing = differing(runs);
    if differing.is_empty() {
        return vec!["SETTING".to_owned(), "all settings are the same".to_owned()];
    }
    let mut heading = vec!["SETTING".to_owned()];
    heading.extend(runs.iter().map(|named| one_line(&named.name)));
    let mut rows = vec![heading];
    let text = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => one_line(text),
        other => one_line(&other.to_string()).chars().take(WIDTH).collect(),
    };
    rows.extend(
        differing
            .iter()
            .map(|(name, values)| std::iter::once(one_line(name)).chain(values.iter().map(text)).collect::<Vec<_>>()),
    );
    table(&vec![Align::Left; runs.len() + 1], &rows)
}

/// Runs side by side, for scripts.
#[derive(Debug, Serialize)]
struct Comparison {
    runs: Vec<Compared>,
    /// By the name of each setting that differs, its value in each run; null where it has none.
    settings: Map<String, Value>,
}

#[derive(Debug, Serialize)]
struct Compared {
    run: String,
    id: String,
    state: &'static str,
    epochs_done: u64,
    #[serde(with = "number::optional")]
    test_accuracy: Option<f64>,
    #[serde(with = "number::optional")]
    best_accuracy: Option<f64>,
    #[serde(with = "number::optional")]
    test_loss: Option<f64>,
    #[serde(with = "number::optional")]
    train_loss: Option<f64>,
    #[serde(with = "number")]
    seconds: f64,
    weights_sha256: String,
    reached: Vec<Reached>,
}

#[derive(Debug, Serialize)]
struct Reached {
    test_accuracy: f64,
    /// From 0, as everywhere in JSON; null: never.
    epoch: Option<u64>,
    seconds: Option<f64>,
}

fn json(runs: &[Named]) -> Comparison {
    let levels = levels_of(runs);
    let compared = |named: &Named| {
        let (run, last) = (&named.run, named.run.epochs.last());
        let level = |level: &u32| {
            let test_accuracy = f64::from(*level) / 100.0;
            let reached = reached(run, test_accuracy);
            Reached {
                test_accuracy,
                epoch: reached.map(|(epoch, _)| epoch - 1),
                seconds: reached.map(|(_, seconds)| seconds),
            }
        };
        Compared {
            run: named.name.clone(),
            id: run.id.clone(),
            state: word(run.state()),
            epochs_done: last.map_or(0, |last| u64::from(last.epoch) + 1),
            test_accuracy: last.map(|last| last.test_accuracy),
            best_accuracy: best(run),
            test_loss: last.map(|last| last.test_loss),
            train_loss: last.map(|last| last.train_loss),
            seconds: seconds(run),
            weights_sha256: run.weights_sha256.clone(),
            reached: levels.iter().map(level).collect(),
        }
    };
    let settings = differing(runs).into_iter().map(|(name, values)| (name, Value::Array(values)));
    Comparison { runs: runs.iter().map(compared).collect(), settings: settings.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::v1::RunState;
    use serde_json::json;

    fn named(name: &str, lr: f64, accuracies: &[f64]) -> Named {
        let epoch = |(epoch, test_accuracy): (u32, &f64)| Epoch {
            epoch,
            test_accuracy: *test_accuracy,
            test_loss: 1.25,
            train_loss: 1.5,
            seconds: 30.0,
            ..Epoch::default()
        };
        let run = Run {
            state: RunState::Finished.into(),
            epochs: (0..).zip(accuracies).map(epoch).collect(),
            config: Some(proto::to_message(&json!({"lr": lr, "epochs": 4, "schedule": {"kind": "step"}}))),
            weights_sha256: "0123456789abcdef".to_owned(),
            ..Run::default()
        };
        Named { name: name.to_owned(), run }
    }

    #[test]
    fn runs_side_by_side() {
        let runs = [named("a", 0.1, &[0.1, 0.35, 0.5, 0.45]), named("b", 0.2, &[0.2, 0.32])];
        let expected = [
            "RUN  STATE     EPOCHS  TEST ACC     BEST  TEST LOSS  TRAIN LOSS   TIME  WEIGHTS",
            "a    finished     4/4   45.00 %  50.00 %     1.2500      1.5000  2m00s  0123456789ab",
            "b    finished     2/4   32.00 %  32.00 %     1.2500      1.5000  1m00s  0123456789ab",
            "",
            "TEST ACC REACHED             10 %             20 %             30 %             40 %             50 %",
            "a                 30.0s (epoch 1)  1m00s (epoch 2)  1m00s (epoch 2)  1m30s (epoch 3)  1m30s (epoch 3)",
            "b                 30.0s (epoch 1)  30.0s (epoch 1)  1m00s (epoch 2)                -                -",
            "",
            "TEST ACC FROM 10.00 % TO 50.00 %",
            "a  ▁▅█▇",
            "b  ▃▅",
            "",
            "SETTING  a    b",
            "lr       0.1  0.2",
        ];
        assert_eq!(lines(&runs, Look::plain(100)), expected);
        let json = serde_json::to_value(json(&runs)).unwrap();
        assert_eq!(json["settings"], json!({"lr": [0.1, 0.2]}));
        assert_eq!(json["runs"][1]["reached"][3], json!({"test_accuracy": 0.4, "epoch": null, "seconds": null}));
    }

    #[test]
    fn runs_without_an_epoch_have_no_course() {
        let runs = [named("a", 0.1, &[]), named("b", 0.1, &[])];
        let lines = lines(&runs, Look::plain(100));
        assert_eq!(lines.len(), 6, "{lines:?}");
        assert_eq!(lines[5], "all settings are the same");
    }

    #[test]
    fn a_long_course_is_drawn_in_means() {
        let values: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(course(&values, (0.0, 99.0), 100, 10), "▁▂▃▃▄▅▆▆▇█");
        assert_eq!(course(&[f64::NAN, 1.0], (1.0, 1.0), 2, 10), " █");
    }
}
