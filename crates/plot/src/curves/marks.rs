//! What happened to a run: vertical lines and their labels.

use super::{Curves, Event, Mark};
use crate::axis::Axis;
use crate::text::{fit, width};
use crate::{Anchor, Dash, Drawing, Stroke, Style, Text, Weight};

const SIZE: f32 = 10.5;
const LANE: f32 = 15.0;
const MOST_LANES: usize = 3;
const WIDEST: f32 = 150.0;
/// Lines of one kind that are nearer than this are one line.
const NEAREST: f32 = 3.0;

impl Event {
    fn word(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Recovery => "recovery",
            Self::Join => "join",
            Self::Checkpoint => "checkpoint",
        }
    }

    fn dash(self) -> Dash {
        match self {
            Self::Rate | Self::Checkpoint => Dash::Dotted,
            Self::Recovery => Dash::Dashed,
            Self::Join => Dash::Solid,
        }
    }
}

/// The marks that are drawn: each with the run it belongs to and where its line is.
fn visible<'a>(curves: &'a Curves, horizontal: &Axis, left: f32, right: f32) -> Vec<(usize, f32, &'a Mark)> {
    let mut kept: Vec<(usize, f32, &Mark)> = Vec::new();
    for (run, mark) in curves.runs.iter().enumerate().flat_map(|(run, of)| of.marks.iter().map(move |mark| (run, mark)))
    {
        let Some(share) = horizontal.place(mark.at).filter(|share| (0.0..=1.0).contains(share)) else { continue };
        kept.push((run, left + share * (right - left), mark));
    }
    kept.sort_by(|one, other| one.1.total_cmp(&other.1));
    // Where the last kept line of a kind was.
    let mut last = [f32::NEG_INFINITY; 4];
    kept.retain(|(_, x, mark)| {
        let last = &mut last[mark.event as usize];
        let far = x - *last >= NEAREST;
        if far {
            *last = *x;
        }
        far
    });
    kept
}

/// Draws the lines of all marks through a panel.
pub(super) fn lines(drawing: &mut Drawing, curves: &Curves, horizontal: &Axis, [left, top, right, bottom]: [f32; 4]) {
    let palette = curves.style.palette();
    for (run, x, mark) in visible(curves, horizontal, left, right) {
        let colour = match mark.event {
            _ if curves.several() => curves.colour(run).faded(0.55),
            Event::Recovery => palette.wrong.faded(0.6),
            Event::Join => palette.right.faded(0.5),
            Event::Rate | Event::Checkpoint => palette.muted.faded(0.7),
        };
        drawing.line((x, top), (x, bottom), Stroke { colour, width: 1.0, dash: mark.event.dash() });
    }
}

/// Labels of marks, in as few lanes as they need. A label that there is no room for is left out; its line stays.
pub(super) struct Lanes(Vec<(usize, f32, String)>);

impl Lanes {
    pub(super) fn of(curves: &Curves, horizontal: &Axis, left: f32, right: f32) -> Self {
        let mut ends = [f32::NEG_INFINITY; MOST_LANES];
        let mut labels = Vec::new();
        for (_, x, mark) in visible(curves, horizontal, left, right) {
            let text = if mark.label.is_empty() { mark.event.word() } else { &mark.label };
            let text = fit(text, SIZE, Weight::Regular, WIDEST);
            let half = width(&text, SIZE, Weight::Regular) / 2.0;
            let centre = x.clamp(left + half, (right - half).max(left + half));
            if let Some(lane) = ends.iter().position(|end| centre - half >= end + 8.0) {
                ends[lane] = centre + half;
                labels.push((lane, centre, text));
            }
        }
        Self(labels)
    }

    pub(super) fn height(&self) -> f32 {
        self.0.iter().map(|(lane, ..)| LANE * (lane + 1) as f32 + 4.0).fold(0.0, f32::max)
    }

    /// The first lane is the lowest: nearest to the lines.
    pub(super) fn draw(self, drawing: &mut Drawing, top: f32, style: Style) {
        let bottom = top + self.height();
        for (lane, centre, text) in self.0 {
            let base = bottom - 6.0 - LANE * lane as f32;
            drawing.text(Text::new((centre, base), text, SIZE, style.palette().muted).anchored(Anchor::Middle));
        }
    }
}
