//! A chart: lines in braille, their axes, and marks above them.

use super::{
    frame,
    series::{Series, series},
    span,
};
use crate::{
    look::Ink,
    watch::{
        braille::Braille,
        marks::Mark,
        model::{Model, Pane},
        palette::Palette,
    },
};
use plot::Axis;
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    text::Line,
};

/// The curves of `pane`.
pub fn draw(model: &Model, pane: Pane, marks: &[Mark], palette: Palette, area: Rect, buffer: &mut Buffer) {
    let lines = series(model, pane);
    let inside = frame(model, pane, heading(model, pane, &lines, palette, area.width), palette, area, buffer);
    if lines.iter().all(|line| line.points.is_empty()) {
        let text = "the first epoch begins";
        buffer.set_stringn(
            inside.x + 1,
            inside.y,
            text,
            inside.width.saturating_sub(1).into(),
            palette.style(Ink::Faint),
        );
        return;
    }
    // A row of marks above, a row of epochs below.
    if inside.width < 6 || inside.height < 3 {
        return;
    }
    let upright = upright(&lines, inside.height - 2, pane);
    let widest = upright.ticks().map(|(_, label)| label.chars().count()).max().unwrap_or(0) as u16;
    let left = (widest + 1).min(inside.width / 2);
    let ground =
        Rect { x: inside.x + left, y: inside.y + 1, width: inside.width - left - 1, height: inside.height - 2 };
    if ground.width < 2 {
        return;
    }
    let along = along(&lines, ground.width);
    let chart = Chart { palette, ground, along, upright };
    chart.axes(inside, buffer);
    chart.crossing(marks, buffer);
    chart.lines(&lines, buffer);
    chart.cursor(model, buffer);
    chart.marks(marks, buffer);
}

/// What of a legend there is room for, the longest first. Colours tell the lines apart too, and the cursor is seen in the chart.
const LEGENDS: [Legend; 4] = [
    Legend { names: true, units: true, epoch: true },
    Legend { names: false, units: true, epoch: true },
    Legend { names: false, units: false, epoch: true },
    Legend { names: false, units: false, epoch: false },
];

/// What a legend has beside the figures.
#[derive(Clone, Copy)]
struct Legend {
    names: bool,
    units: bool,
    epoch: bool,
}

/// A title, and the figures at its right: as much as `width` has room for.
fn heading(model: &Model, pane: Pane, lines: &[Series], palette: Palette, width: u16) -> (&'static str, Line<'static>) {
    let all = [pane.title(), pane.short_title()];
    let mut fitting = LEGENDS.iter().flat_map(|with| all.map(|title| (title, legend(model, lines, *with, palette))));
    let fits = |(title, line): &(&str, Line<'_>)| title.len() + line.width() + 6 <= usize::from(width);
    fitting.find(fits).unwrap_or_else(|| (pane.short_title(), Line::default()))
}

/// The figures of the lines in their colours, with what is wanted beside them.
fn legend(model: &Model, lines: &[Series], with: Legend, palette: Palette) -> Line<'static> {
    let mut spans = Vec::new();
    if let Some(epoch) = model.choice.cursor.filter(|_| with.epoch).and_then(|cursor| model.epochs().get(cursor)) {
        spans.push(span(palette, Ink::Strong, format!(" @{}", u64::from(epoch.epoch) + 1)));
    }
    for line in lines.iter().filter(|line| !line.figure.is_empty()) {
        let name = if line.name.is_empty() || !with.names { " ".to_owned() } else { format!(" {} ", line.name) };
        spans.push(span(palette, Ink::Faint, name));
        let figure = if with.units { &line.figure } else { line.figure.trim_end_matches(" %") };
        spans.push(span(palette, line.ink, figure));
    }
    if !spans.is_empty() {
        spans.push(span(palette, Ink::Faint, " "));
    }
    Line::from(spans)
}

/// What the axis below counts.
const WORD: &str = "epoch";

/// Losses whose greatest is so many times the least are drawn on a logarithmic axis.
const WIDE: f64 = 20.0;

/// The axis of the values, with some room above and below them.
fn upright(lines: &[Series], rows: u16, pane: Pane) -> Axis {
    let values = lines.iter().flat_map(|line| line.points.iter().map(|(_, value)| *value));
    let (low, high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    let ticks = usize::from(rows / 2).max(3);
    if pane == Pane::Loss && low > 0.0 && high > WIDE * low {
        return Axis::logarithmic(low, high, ticks);
    }
    let room = 0.04 * (high - low);
    let unit = if pane == Pane::Accuracy { " %" } else { "" };
    Axis::within(low - room, high + room, ticks, false).with_unit(unit)
}

/// The axis of the epochs.
fn along(lines: &[Series], columns: u16) -> Axis {
    let places = lines.iter().flat_map(|line| line.points.iter().map(|(at, _)| *at));
    let (low, high) = places.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), at| (low.min(at), high.max(at)));
    // A single place stands at the beginning.
    Axis::within(low, if high > low { high } else { low + 1.0 }, usize::from(columns / 7).max(1), true)
}

struct Chart {
    palette: Palette,
    ground: Rect,
    along: Axis,
    upright: Axis,
}

impl Chart {
    /// The column of a number of epochs, if it is on the chart.
    fn column(&self, at: f64) -> Option<u16> {
        let share = self.along.place(at).filter(|share| (-0.001..=1.001).contains(share))?;
        Some(self.ground.x + (share.clamp(0.0, 1.0) * f32::from(self.ground.width - 1)).round() as u16)
    }

    fn axes(&self, inside: Rect, buffer: &mut Buffer) {
        let faint = self.palette.style(Ink::Faint);
        let left = usize::from(self.ground.x - inside.x).saturating_sub(1);
        for (value, label) in self.upright.ticks() {
            let Some(share) = self.upright.place(value).filter(|share| (0.0..=1.0).contains(share)) else { continue };
            let row = self.ground.y + ((1.0 - share) * f32::from(self.ground.height - 1)).round() as u16;
            buffer.set_stringn(inside.x, row, format!("{label:>left$}"), left, faint);
            for column in self.ground.left()..self.ground.right() {
                buffer[(column, row)].set_char('┈').set_style(faint);
            }
        }
        let row = self.ground.bottom();
        let mut free = inside.x;
        for (at, label) in self.along.ticks() {
            let Some(column) = self.column(at) else { continue };
            let length = label.chars().count() as u16;
            let begin = column.saturating_sub(length / 2).min(inside.right().saturating_sub(length));
            if begin >= free && length <= inside.width {
                buffer.set_stringn(begin, row, label, length.into(), faint);
                free = begin + length + 1;
            }
        }
        if inside.x + (WORD.len() as u16) < self.first_label() {
            buffer.set_stringn(inside.x, row, WORD, WORD.len(), faint);
        }
    }

    /// The column of the first label below.
    fn first_label(&self) -> u16 {
        self.along.ticks().find_map(|(at, _)| self.column(at)).unwrap_or(0)
    }

    fn lines(&self, lines: &[Series], buffer: &mut Buffer) {
        let mut braille = Braille::new(self.ground.width.into(), self.ground.height.into());
        let (width, height) = braille.size();
        let place = |(at, value): (f64, f64)| {
            let x = self.along.place(at)? * (width - 1) as f32;
            let y = (1.0 - self.upright.place(value)?) * (height - 1) as f32;
            Some((x.round() as i64, y.round() as i64))
        };
        for line in lines {
            let points: Vec<(i64, i64)> = line.points.iter().copied().filter_map(place).collect();
            if let [(x, y)] = points[..] {
                // A point alone is seen better with some dots.
                braille.line((x, y), (x + 1, y), line.ink, false);
            }
            for pair in points.windows(2) {
                braille.line(pair[0], pair[1], line.ink, line.broken);
            }
        }
        for row in 0..self.ground.height {
            for column in 0..self.ground.width {
                if let Some((letter, ink)) = braille.cell(column.into(), row.into()) {
                    let cell = &mut buffer[(self.ground.x + column, self.ground.y + row)];
                    cell.reset();
                    cell.set_char(letter).set_style(self.palette.style(ink));
                }
            }
        }
    }

    /// Lines of marks across the ground, below the curves.
    fn crossing(&self, marks: &[Mark], buffer: &mut Buffer) {
        for mark in marks.iter().filter(|mark| mark.kind.crosses()) {
            let Some(column) = self.column(mark.at) else { continue };
            for row in self.ground.top()..self.ground.bottom() {
                let cell = &mut buffer[(column, row)];
                cell.reset();
                cell.set_char('┊').set_style(self.palette.style(mark.kind.ink()));
            }
        }
    }

    fn marks(&self, marks: &[Mark], buffer: &mut Buffer) {
        for mark in marks {
            let Some(column) = self.column(mark.at) else { continue };
            if let Some(cell) = buffer.cell_mut(Position { x: column, y: self.ground.y - 1 }) {
                cell.reset();
                cell.set_char(mark.kind.sign()).set_style(self.palette.style(mark.kind.ink()));
            }
        }
    }

    /// A line at the epoch whose figures are told, where no curve is.
    fn cursor(&self, model: &Model, buffer: &mut Buffer) {
        let Some(epoch) = model.choice.cursor.and_then(|cursor| model.epochs().get(cursor)) else { return };
        let Some(column) = self.column(f64::from(epoch.epoch) + 1.0) else { return };
        for row in self.ground.top()..self.ground.bottom() {
            let cell = &mut buffer[(column, row)];
            if [" ", "┈", "┊"].contains(&cell.symbol()) {
                cell.reset();
                cell.set_char('│').set_style(self.palette.style(Ink::Strong));
            }
        }
    }
}
