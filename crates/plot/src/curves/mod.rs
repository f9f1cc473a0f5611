//! Loss, accuracy and learning rate over a run, or over several of them.

mod best;
mod legend;
mod line;
mod marks;
mod panel;

use crate::axis::{Axis, range, thousands};
use crate::text::width;
use crate::{Anchor, Colour, Drawing, Style, Text, Weight, heading};
use heading::MARGIN;
use legend::Legend;
use marks::Lanes;
use panel::{Panel, Quantity};
use std::fmt::Write as _;

/// The width of the picture.
const WIDTH: f32 = 960.0;
/// The size of labels.
const SMALL: f32 = 11.5;
/// Above a panel, for its name.
const PANEL_HEAD: f32 = 32.0;
/// Between panels.
const PANEL_GAP: f32 = 18.0;
/// Below the lowest panel, for the labels of the axis.
const FOOT: f32 = 56.0;

/// What the horizontal axis counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Horizontal {
    /// Epochs, from 1.
    #[default]
    Epoch,
    /// Steps since the run began.
    Step,
}

/// What was measured at one place of a run. What was not measured, or is no number, leaves a gap.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CurvePoint {
    /// Where: an epoch, counted from 1, or a step.
    pub at: f64,
    /// The mean loss over training samples.
    pub train_loss: Option<f64>,
    /// The mean loss over the test set.
    pub test_loss: Option<f64>,
    /// The share of training samples that were right, from 0 to 1.
    pub train_accuracy: Option<f64>,
    /// The share of the test set that was right, from 0 to 1.
    pub test_accuracy: Option<f64>,
    /// The learning rate that led there.
    pub rate: Option<f64>,
}

/// What can happen to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The learning rate changed.
    Rate,
    /// The run went on after a failure.
    Recovery,
    /// A worker came.
    Join,
    /// A checkpoint was written.
    Checkpoint,
}

/// Something that happened, shown by a vertical line.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Where, as in [`CurvePoint::at`]. A mark before the first point or after the last is not shown.
    pub at: f64,
    /// What it was.
    pub event: Event,
    /// What is written at the line. If this is empty, the event is named.
    pub label: String,
}

/// One run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunCurves {
    /// What it is called in the legend.
    pub name: String,
    /// In the order in which they are connected.
    pub points: Vec<CurvePoint>,
    /// What happened.
    pub marks: Vec<Mark>,
    /// Where its best state was, as in [`CurvePoint::at`]: shown as a dot on the curves of the test set.
    pub best: Option<f64>,
}

/// Curves of one or more runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curves {
    /// The first line.
    pub title: String,
    /// The line below it.
    pub subtitle: String,
    /// Drawn in this order, the last above all others.
    pub runs: Vec<RunCurves>,
    /// What the horizontal axis counts.
    pub horizontal: Horizontal,
    /// Whether the axis of losses is logarithmic.
    pub log_loss: bool,
    /// Whether the axis of learning rates is logarithmic.
    pub log_rate: bool,
    /// How much of the line so far enters into each smoothed point, from 0 (no smoothing) to 0.999. The raw line stays, faint.
    pub smoothing: f64,
    /// How it looks.
    pub style: Style,
}

impl RunCurves {
    /// Where the accuracy over the test set was greatest, for the first time.
    #[must_use]
    pub fn most_accurate(&self) -> Option<f64> {
        let measured = self.points.iter().filter_map(|point| {
            let accuracy = point.test_accuracy.filter(|accuracy| !accuracy.is_nan())?;
            Some((point.at, accuracy))
        });
        let best = measured.reduce(|best, point| if point.1 > best.1 { point } else { best });
        best.map(|(at, _)| at)
    }
}

impl Curves {
    /// The colour of a run, and of what is drawn of it. Runs beyond the sixth use the colours again.
    fn colour(&self, run: usize) -> Colour {
        let series = &self.style.palette().series;
        series[run % series.len()]
    }

    /// Whether colours tell runs apart. Otherwise they tell training from testing.
    fn several(&self) -> bool {
        self.runs.len() > 1
    }

    fn points(&self) -> impl Iterator<Item = &CurvePoint> {
        self.runs.iter().flat_map(|run| &run.points)
    }

    /// What the picture shows, in words.
    fn description(&self) -> String {
        let mut text = format!("Loss, accuracy and learning rate of {} run(s).", self.runs.len());
        for run in &self.runs {
            let last = run.points.iter().rev().find_map(|point| Some((point.at, point.test_accuracy?)));
            if let Some((at, accuracy)) = last.filter(|last| last.0.is_finite() && last.1.is_finite()) {
                let name = if run.name.is_empty() { "The run" } else { &run.name };
                let at = thousands(at, 0);
                let unit = self.unit();
                let _ = write!(text, " {name}: test accuracy {:.2} % at {unit} {at}.", 100.0 * accuracy);
            }
        }
        text
    }

    fn unit(&self) -> &'static str {
        match self.horizontal {
            Horizontal::Epoch => "epoch",
            Horizontal::Step => "step",
        }
    }

    /// The horizontal axis, with as many labels as `length` pixels have room for.
    fn horizontal_axis(&self, length: f32) -> Axis {
        let (low, high) = range(self.points().map(|point| point.at), false).unwrap_or((0.0, 1.0));
        let (low, high) = if low == high { (low - 0.5, high + 0.5) } else { (low, high) };
        let axes = (2..=12).rev().map(|at_most| Axis::within(low, high, at_most, true));
        let fits = |axis: &Axis| {
            let ends = axis.ticks().filter_map(|(tick, label)| {
                let half = width(label, SMALL, Weight::Regular) / 2.0 + 7.0;
                Some((length * axis.place(tick)? - half, length * axis.place(tick)? + half))
            });
            ends.collect::<Vec<_>>().windows(2).all(|pair| pair[0].1 <= pair[1].0)
        };
        let narrowest = Axis::within(low, high, 1, true);
        axes.into_iter().find(fits).unwrap_or(narrowest)
    }
}

/// Draws curves: panels of loss, accuracy and learning rate, one below the other. A panel without a number is left out.
#[must_use]
pub fn curves(curves: &Curves) -> Drawing {
    let palette = curves.style.palette();
    let mut panels: Vec<(Quantity, Axis)> =
        Quantity::ALL.into_iter().filter_map(|quantity| Some((quantity, quantity.axis(curves)?))).collect();
    let nothing = panels.is_empty();
    if nothing {
        panels.push((Quantity::Loss, Axis::covering(0.0, 1.0, 6)));
    }
    let labels = panels.iter().flat_map(|(_, axis)| axis.ticks());
    let widest = labels.map(|(_, label)| width(label, SMALL, Weight::Regular)).fold(0.0, f32::max);
    let (left, right) = (MARGIN + widest + 10.0, WIDTH - MARGIN);
    let horizontal = curves.horizontal_axis(right - left);

    let legend = Legend::of(curves);
    let lanes = Lanes::of(curves, &horizontal, left, right);
    let mut top = heading::height(&curves.title, &curves.subtitle);
    let legend_top = top;
    top += legend.height();
    let lanes_top = top + PANEL_HEAD;
    let height = panels.iter().map(|(quantity, _)| PANEL_HEAD + quantity.height() + PANEL_GAP).sum::<f32>();
    let mut drawing = Drawing::new((WIDTH, top + lanes.height() + height - PANEL_GAP + FOOT), &curves.title)
        .described(&curves.description())
        .on(curves.style.background());
    heading::draw(&mut drawing, &curves.title, &curves.subtitle, curves.style);
    legend.draw(&mut drawing, legend_top, curves.style);

    let last = panels.len() - 1;
    for (index, (quantity, vertical)) in panels.iter().enumerate() {
        let name = Text::new((MARGIN, top + 12.0), quantity.name(curves), 13.0, palette.ink).semi_bold();
        drawing.text(name);
        top += PANEL_HEAD + if index == 0 { lanes.height() } else { 0.0 };
        let bottom = top + quantity.height();
        let panel = Panel { quantity: *quantity, left, right, top, bottom, horizontal: &horizontal, vertical };
        panel.draw(&mut drawing, curves, index == last);
        top = bottom + PANEL_GAP;
    }
    lanes.draw(&mut drawing, lanes_top, curves.style);
    if nothing {
        let middle = (f32::midpoint(left, right), top - PANEL_GAP - Quantity::Loss.height() / 2.0);
        let text = Text::new(middle, "Nothing was measured yet", 14.0, palette.muted);
        drawing.text(text.anchored(Anchor::Middle).centred());
    }
    drawing
}

#[cfg(test)]
mod tests;
