//! Which line is which.

use super::{Curves, MARGIN, RunCurves, WIDTH};
use crate::text::{fit, width};
use crate::{Colour, Dash, Drawing, Stroke, Style, Text, Weight};

const SIZE: f32 = 12.5;
const ROW: f32 = 22.0;
const SAMPLE: f32 = 24.0;
/// Between a sample of a line and its name.
const NEAR: f32 = 7.0;
/// Between entries.
const FAR: f32 = 22.0;
const MOST_ROWS: usize = 4;
const WIDEST_NAME: f32 = 240.0;

struct Entry {
    x: f32,
    row: usize,
    name: String,
    line: Option<Stroke>,
}

/// Entries, placed in rows.
pub(super) struct Legend(Vec<Entry>);

impl Legend {
    /// Of training and testing, and of the runs if there are several. The runs that there is no room for are counted.
    pub(super) fn of(curves: &Curves) -> Self {
        let palette = curves.style.palette();
        let mut entries = Vec::new();
        if curves.several() {
            for (index, run) in curves.runs.iter().enumerate() {
                let name = if run.name.is_empty() { format!("run {}", index + 1) } else { run.name.clone() };
                let name = fit(&name, SIZE, Weight::Regular, WIDEST_NAME) + &best(run);
                entries.push((name, test_line(curves.colour(index))));
            }
        }
        let (train, test) = if curves.several() {
            (train_line(palette.muted, true), test_line(palette.muted))
        } else {
            (train_line(curves.colour(0), false), test_line(curves.colour(1)))
        };
        let kinds = [("train".to_owned(), train), ("test".to_owned(), test)];
        let mut legend = Self(Vec::new());
        // What the lines mean comes first, so that many runs cannot displace it.
        let mut waiting = kinds.into_iter().chain(entries).peekable();
        while let Some((name, line)) = waiting.next() {
            // The last row keeps room for a count.
            let room = WIDTH - MARGIN - if waiting.peek().is_some() { 100.0 } else { 0.0 };
            if !legend.add(name, Some(line), room) {
                legend.add(format!("and {} more", waiting.count() + 1), None, WIDTH);
                break;
            }
        }
        legend
    }

    /// Adds an entry, if there is room before `right` or in a further row.
    fn add(&mut self, name: String, line: Option<Stroke>, right: f32) -> bool {
        let (mut x, mut row) = self.0.last().map_or((MARGIN, 0), |last| (last.end() + FAR, last.row));
        let mut entry = Entry { x, row, name, line };
        let full = entry.end() > right && x > MARGIN;
        if full && row + 1 < MOST_ROWS {
            (x, row) = (MARGIN, row + 1);
            entry = Entry { x, row, ..entry };
        } else if full {
            return false;
        }
        self.0.push(entry);
        true
    }

    pub(super) fn height(&self) -> f32 {
        self.0.last().map_or(0.0, |last| ROW * (last.row + 1) as f32 + 14.0)
    }

    pub(super) fn draw(self, drawing: &mut Drawing, top: f32, style: Style) {
        for entry in self.0 {
            let y = top + ROW * (entry.row as f32 + 0.5);
            let name = entry.x + entry.sample();
            if let Some(line) = entry.line {
                drawing.line((entry.x, y), (entry.x + SAMPLE, y), line);
            }
            drawing.text(Text::new((name, y), entry.name, SIZE, style.palette().ink).centred());
        }
    }
}

impl Entry {
    fn sample(&self) -> f32 {
        if self.line.is_some() { SAMPLE + NEAR } else { 0.0 }
    }

    fn end(&self) -> f32 {
        self.x + self.sample() + width(&self.name, SIZE, Weight::Regular)
    }
}

/// The accuracy of a run's best state, to follow its name.
fn best(run: &RunCurves) -> String {
    let point = run.best.and_then(|best| run.points.iter().find(|point| point.at == best));
    let accuracy = point.and_then(|point| point.test_accuracy).filter(|accuracy| (0.0..=1.0).contains(accuracy));
    accuracy.map_or(String::new(), |accuracy| format!(": {:.2} %", 100.0 * accuracy))
}

/// How curves of training are drawn: interrupted, where colours tell runs apart.
pub(super) fn train_line(colour: Colour, several: bool) -> Stroke {
    if several {
        Stroke { colour: colour.faded(0.75), width: 1.3, dash: Dash::Dashed }
    } else {
        Stroke::solid(colour, 2.0)
    }
}

/// How curves of testing are drawn.
pub(super) fn test_line(colour: Colour) -> Stroke {
    Stroke::solid(colour, 2.0)
}
