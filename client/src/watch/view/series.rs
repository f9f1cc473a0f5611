//! The lines of the curves, and the figures beside their titles.

use crate::{
    look::Ink,
    watch::model::{Model, Pane},
};
use proto::v1::{Epoch, RunState};
use view::rate;

/// A line of a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// What it is of; empty if the title says so.
    pub name: &'static str,
    /// Its colour.
    pub ink: Ink,
    /// Whether it is broken, so that it is known without colours.
    pub broken: bool,
    /// Epochs that are done, and values. All are finite.
    pub points: Vec<(f64, f64)>,
    /// The value at the cursor, or else the last, in words.
    pub figure: String,
}

/// The lines of `pane`, of which the last is drawn over the others.
#[must_use]
pub fn series(model: &Model, pane: Pane) -> Vec<Series> {
    let run = &model.run;
    let of = |name, ink, broken, figure: fn(f64) -> String, value: fn(&Epoch) -> f64, now: Option<f64>| {
        line(model, Series { name, ink, broken, points: Vec::new(), figure: String::new() }, figure, value, now)
    };
    match pane {
        Pane::Loss => vec![
            of("train", Ink::Train, true, loss, |epoch| epoch.train_loss, run.train_loss),
            of("test", Ink::Test, false, loss, |epoch| epoch.test_loss, None),
        ],
        Pane::Accuracy => {
            let now = run.train_accuracy.map(|accuracy| 100.0 * accuracy);
            vec![
                of("train", Ink::Train, true, percent, |epoch| 100.0 * epoch.train_accuracy, now),
                of("test", Ink::Test, false, percent, |epoch| 100.0 * epoch.test_accuracy, None),
            ]
        }
        _ => {
            let line = of("", Ink::Test, false, rate, |epoch| epoch.learning_rate, Some(run.learning_rate));
            vec![Series { points: stairs(line.points), ..line }]
        }
    }
}

/// A rate that changes now and then, not all the time, does so at once: after the epoch before.
fn stairs(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let changes = points.windows(2).filter(|pair| pair[0].1 != pair[1].1).count();
    if 2 * changes >= points.len() {
        return points;
    }
    let first = points.first().copied();
    let steps = points.windows(2).flat_map(|pair| [(pair[0].0, pair[1].1), pair[1]]);
    first.into_iter().chain(steps).collect()
}

fn line(
    model: &Model,
    mut line: Series,
    figure: fn(f64) -> String,
    value: fn(&Epoch) -> f64,
    now: Option<f64>,
) -> Series {
    let epochs = model.epochs();
    let point = |epoch: &Epoch| (f64::from(epoch.epoch) + 1.0, value(epoch));
    line.points = epochs.iter().map(point).filter(|(_, value)| value.is_finite()).collect();
    // What an epoch has come to so far, at the end of the line.
    let run = &model.run;
    let here = f64::from(run.epoch) + f64::from(run.step) / f64::from(run.steps_per_epoch.max(1));
    let last = line.points.last().map_or(0.0, |(at, _)| *at);
    let trains = run.state() == RunState::Training && run.step > 0;
    let now = now.filter(|now| now.is_finite() && trains && here > last);
    line.points.extend(now.map(|now| (here, now)));
    let at_cursor = model.choice.cursor.and_then(|cursor| epochs.get(cursor)).map(value);
    let shown = at_cursor.or(now).or_else(|| epochs.last().map(value));
    line.figure = shown.map_or_else(String::new, figure);
    line
}

fn loss(value: f64) -> String {
    format!("{value:.3}")
}

fn percent(value: f64) -> String {
    format!("{value:.1} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_that_changes_now_and_then_does_so_at_once() {
        let rare = vec![(1.0, 0.1), (2.0, 0.1), (3.0, 0.05)];
        assert_eq!(stairs(rare), [(1.0, 0.1), (1.0, 0.1), (2.0, 0.1), (2.0, 0.05), (3.0, 0.05)]);
        let often = vec![(1.0, 0.1), (2.0, 0.09), (3.0, 0.05)];
        assert_eq!(stairs(often.clone()), often);
        assert_eq!(stairs(Vec::new()), []);
    }
}
