//! One quantity of all runs.

use super::legend::{test_line, train_line};
use super::line::{Measured, pieces, smoothed, stairs};
use super::{CurvePoint, Curves, SMALL, best, marks};
use crate::axis::{Axis, range};
use crate::shape::At;
use crate::{Anchor, Drawing, Shape, Stroke, Text};

/// Up to so many points are shown as dots too.
const FEW_POINTS: usize = 25;
/// Up to so many values of the learning rate are drawn as stairs.
const FEW_STEPS: usize = 400;

/// What a panel shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    Loss,
    Accuracy,
    Rate,
}

impl Quantity {
    pub(super) const ALL: [Self; 3] = [Self::Loss, Self::Accuracy, Self::Rate];

    pub(super) fn height(self) -> f32 {
        match self {
            Self::Loss | Self::Accuracy => 210.0,
            Self::Rate => 96.0,
        }
    }

    pub(super) fn name(self, curves: &Curves) -> String {
        let name = match self {
            Self::Loss => "Loss",
            Self::Accuracy => "Accuracy",
            Self::Rate => "Learning rate",
        };
        if self.logarithmic(curves) { format!("{name} (log scale)") } else { name.to_owned() }
    }

    fn logarithmic(self, curves: &Curves) -> bool {
        match self {
            Self::Loss => curves.log_loss,
            Self::Accuracy => false,
            Self::Rate => curves.log_rate,
        }
    }

    /// Of training.
    fn train(self, point: &CurvePoint) -> Option<f64> {
        match self {
            Self::Loss => point.train_loss,
            Self::Accuracy => point.train_accuracy.map(|share| 100.0 * share),
            Self::Rate => None,
        }
    }

    /// Of testing, or the learning rate, which is neither.
    pub(super) fn test(self, point: &CurvePoint) -> Option<f64> {
        match self {
            Self::Loss => point.test_loss,
            Self::Accuracy => point.test_accuracy.map(|share| 100.0 * share),
            Self::Rate => point.rate,
        }
    }

    /// Its axis, if there is anything to show.
    pub(super) fn axis(self, curves: &Curves) -> Option<Axis> {
        let points = curves.points().filter(|point| point.at.is_finite());
        let values = points.flat_map(|point| [self.train(point), self.test(point)]).flatten();
        let (low, high) = range(values, self.logarithmic(curves))?;
        let at_most = if self == Self::Rate { 4 } else { 7 };
        let axis = match self {
            _ if self.logarithmic(curves) => Axis::logarithmic(low, high, at_most),
            // A run that is always right has no room above it.
            Self::Accuracy if low == high && (90.0..=100.0).contains(&low) => Axis::covering(90.0, 100.0, at_most),
            Self::Accuracy if low == high && (0.0..=10.0).contains(&low) => Axis::covering(0.0, 10.0, at_most),
            Self::Accuracy | Self::Loss | Self::Rate => Axis::covering(low, high, at_most),
        };
        Some(if self == Self::Accuracy { axis.with_unit(" %") } else { axis })
    }

    /// A value of it, as it is written at a dot.
    pub(super) fn written(self, value: f64) -> String {
        match self {
            Self::Accuracy => format!("{value:.2} %"),
            Self::Loss | Self::Rate if (1e-3..1e4).contains(&value.abs()) => format!("{value:.4}"),
            Self::Loss | Self::Rate => format!("{value:.3e}"),
        }
    }
}

/// A panel: its axes and where it is.
pub(super) struct Panel<'a> {
    pub(super) quantity: Quantity,
    pub(super) left: f32,
    pub(super) right: f32,
    pub(super) top: f32,
    pub(super) bottom: f32,
    pub(super) horizontal: &'a Axis,
    pub(super) vertical: &'a Axis,
}

impl Panel<'_> {
    fn x(&self, at: f64) -> Option<f32> {
        Some(self.left + self.horizontal.place(at)? * (self.right - self.left))
    }

    fn y(&self, value: f64) -> Option<f32> {
        Some(self.bottom - self.vertical.place(value)? * (self.bottom - self.top))
    }

    pub(super) fn place(&self, at: f64, value: f64) -> Option<At> {
        Some((self.x(at)?, self.y(value)?))
    }

    /// Draws it, with the labels of the horizontal axis if it is the `last`.
    pub(super) fn draw(&self, drawing: &mut Drawing, curves: &Curves, last: bool) {
        self.axes(drawing, curves, last);
        marks::lines(drawing, curves, self.horizontal, [self.left, self.top, self.right, self.bottom]);
        let mut lines = Vec::new();
        for (index, run) in curves.runs.iter().enumerate() {
            let measured = |of: fn(Quantity, &CurvePoint) -> Option<f64>| -> Vec<Measured> {
                run.points.iter().map(|point| (point.at, of(self.quantity, point))).collect()
            };
            let (train, test) = self.strokes(curves, index);
            lines.append(&mut self.line(drawing, &measured(Quantity::train), train, curves.smoothing));
            lines.append(&mut self.line(drawing, &measured(Quantity::test), test, curves.smoothing));
        }
        best::draw(drawing, curves, self, &lines);
    }

    fn axes(&self, drawing: &mut Drawing, curves: &Curves, last: bool) {
        let palette = curves.style.palette();
        for (tick, label) in self.vertical.ticks() {
            let Some(y) = self.y(tick) else { continue };
            drawing.line((self.left, y), (self.right, y), Stroke::solid(palette.faint, 1.0));
            let label = Text::new((self.left - 10.0, y), label, SMALL, palette.muted);
            drawing.text(label.anchored(Anchor::End).centred());
        }
        drawing.line((self.left, self.bottom), (self.right, self.bottom), Stroke::solid(palette.muted, 1.0));
        for (tick, label) in self.horizontal.ticks() {
            let Some(x) = self.x(tick) else { continue };
            drawing.line((x, self.bottom), (x, self.bottom + 4.0), Stroke::solid(palette.muted, 1.0));
            if last {
                let label = Text::new((x, self.bottom + 17.0), label, SMALL, palette.muted);
                drawing.text(label.anchored(Anchor::Middle));
            }
        }
        if last {
            let unit =
                Text::new((f32::midpoint(self.left, self.right), self.bottom + 35.0), curves.unit(), 12.0, palette.ink);
            drawing.text(unit.anchored(Anchor::Middle));
        }
    }

    /// How training and testing of a run are drawn.
    fn strokes(&self, curves: &Curves, run: usize) -> (Stroke, Stroke) {
        match (self.quantity, curves.several()) {
            (Quantity::Rate, false) => {
                let line = test_line(curves.style.palette().muted);
                (line, line)
            }
            // Rates of several runs are often the same. The first are the widest, so that they show behind the others.
            (Quantity::Rate, true) => {
                let line = test_line(curves.colour(run));
                let above = (curves.runs.len() - run - 1).min(3) as f32;
                (line, Stroke { width: line.width + 2.0 * above, ..line })
            }
            (_, true) => (train_line(curves.colour(run), true), test_line(curves.colour(run))),
            (_, false) => (train_line(curves.colour(0), false), test_line(curves.colour(1))),
        }
    }

    /// One line; smoothed, with the raw line behind it, if that is asked for. Returns its pieces.
    fn line(&self, drawing: &mut Drawing, values: &[Measured], stroke: Stroke, smoothing: f64) -> Vec<Vec<At>> {
        let place = |at, value| self.place(at, value);
        let (values, dots) = if self.quantity == Quantity::Rate {
            (if values.len() <= FEW_STEPS { stairs(values) } else { values.to_vec() }, false)
        } else if smoothing > 0.0 {
            let opacity = f32::from(stroke.colour.alpha) / 255.0;
            let faint = Stroke { colour: stroke.colour.faded(0.28 * opacity), width: 1.0, ..stroke };
            self.connect(drawing, &pieces(values, place), faint, false);
            (smoothed(values, smoothing), false)
        } else {
            (values.to_vec(), values.len() <= FEW_POINTS)
        };
        let pieces = pieces(&values, place);
        self.connect(drawing, &pieces, stroke, dots);
        pieces
    }

    /// Draws pieces of a line. A piece of one point is a dot, or else it could not be seen.
    fn connect(&self, drawing: &mut Drawing, pieces: &[Vec<At>], stroke: Stroke, dots: bool) {
        for piece in pieces {
            let radius = if piece.len() == 1 { 3.0 } else { stroke.width * 1.2 };
            if piece.len() == 1 || dots {
                for at in piece {
                    drawing.push(Shape::Circle { at: *at, radius, fill: stroke.colour });
                }
            }
            if let ([(x, y)], Quantity::Rate) = (&piece[..], self.quantity) {
                drawing.line((x - 12.0, *y), (x + 12.0, *y), stroke);
            }
            drawing.push(Shape::Polyline { points: piece.clone(), stroke });
        }
    }
}
