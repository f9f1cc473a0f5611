//! Dots where the best states of runs were.

use super::panel::{Panel, Quantity};
use super::{Curves, RunCurves, SMALL};
use crate::shape::At;
use crate::text::width;
use crate::{Anchor, Drawing, Shape, Text, Weight};

/// Draws the dots. If there is one run, its value is written beside it; of several, the legend has them.
pub(super) fn draw(drawing: &mut Drawing, curves: &Curves, panel: &Panel<'_>, lines: &[Vec<At>]) {
    let palette = curves.style.palette();
    for (index, run) in curves.runs.iter().enumerate() {
        let Some((value, at)) = best(run, panel) else { continue };
        let colour = curves.colour(if curves.several() { index } else { 1 });
        drawing.push(Shape::Circle { at, radius: 6.0, fill: palette.background });
        drawing.push(Shape::Circle { at, radius: 4.5, fill: colour });
        if curves.several() {
            continue;
        }
        // A state is called the best for its accuracy. Its loss need not be.
        let value = panel.quantity.written(value);
        let value = if panel.quantity == Quantity::Accuracy { format!("best {value}") } else { value };
        let text = Text::new(at, value, SMALL, palette.ink).semi_bold().anchored(Anchor::Middle);
        if let Some(text) = beside(at, &text, panel, lines) {
            let [left, top, right, bottom] = text.covers();
            let (at, size) = ((left - 4.0, top - 2.0), (right - left + 8.0, bottom - top + 4.0));
            let fill = palette.background.faded(0.8);
            drawing.push(Shape::Rectangle { at, size, radius: 3.0, fill });
            drawing.text(text);
        }
    }
}

/// The value and the place of a run's best state.
fn best(run: &RunCurves, panel: &Panel<'_>) -> Option<(f64, At)> {
    let best = run.best.filter(|_| panel.quantity != Quantity::Rate)?;
    let point = run.points.iter().find(|point| point.at == best)?;
    let value = panel.quantity.test(point)?;
    Some((value, panel.place(point.at, value)?))
}

/// `text` beside a dot: within the panel, and where it covers as little of the lines as can be.
fn beside((x, y): At, text: &Text, panel: &Panel<'_>, lines: &[Vec<At>]) -> Option<Text> {
    let half = width(&text.text, text.size, Weight::SemiBold) / 2.0;
    let across = [0.0, -half - 12.0, half + 12.0];
    let places = [-17.0, 17.0, -34.0, 34.0].into_iter().flat_map(|dy| across.map(|dx| (x + dx, y + dy)));
    let texts = places.map(|(x, y)| {
        let x = x.min(panel.right - half - 6.0).max(panel.left + half + 6.0);
        Text { at: (x, y), ..text.clone() }.centred()
    });
    let within = texts.filter(|text| {
        let [_, top, _, bottom] = text.covers();
        top >= panel.top && bottom <= panel.bottom
    });
    // Of those that cover the same, the first: it is the nearest.
    within.min_by_key(|text| {
        let [left, top, right, bottom] = text.covers();
        let covered = [left - 3.0, top - 2.0, right + 3.0, bottom + 2.0];
        lines.iter().flat_map(|line| line.windows(2)).filter(|ends| crosses(ends[0], ends[1], covered)).count()
    })
}

/// Whether a part of the line from `from` to `to` lies in a rectangle: left, top, right, bottom. By Liang and Barsky.
fn crosses(from: At, to: At, [left, top, right, bottom]: [f32; 4]) -> bool {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let (mut enters, mut leaves) = (0.0f32, 1.0f32);
    for (step, room) in [(-dx, from.0 - left), (dx, right - from.0), (-dy, from.1 - top), (dy, bottom - from.1)] {
        if step == 0.0 && room < 0.0 {
            return false;
        } else if step < 0.0 {
            enters = enters.max(room / step);
        } else if step > 0.0 {
            leaves = leaves.min(room / step);
        }
    }
    enters <= leaves
}

#[cfg(test)]
mod tests {
    use super::crosses;

    #[test]
    fn lines_that_cross_a_rectangle() {
        let rectangle = [0.0, 0.0, 10.0, 5.0];
        assert!(crosses((-5.0, 2.0), (15.0, 3.0), rectangle));
        assert!(crosses((2.0, 2.0), (3.0, 3.0), rectangle));
        assert!(crosses((5.0, -5.0), (5.0, 1.0), rectangle));
        assert!(!crosses((-5.0, 6.0), (15.0, 6.0), rectangle));
        assert!(!crosses((-5.0, 2.0), (-1.0, 2.0), rectangle));
        // Past a corner, whose box it shares.
        assert!(!crosses((-4.0, 2.0), (3.0, -5.0), rectangle));
    }
}
