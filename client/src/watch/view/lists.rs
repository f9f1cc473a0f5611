//! What happened, and the log: the newest below.

use super::{frame, span};
use crate::{
    events::moment,
    look::Ink,
    watch::{
        model::{Model, Pane},
        palette::Palette,
    },
};
use program::text::one_line;
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

/// The letters of a moment that tell its time of the day.
const TIME: usize = 11;

/// Draws the events.
pub fn events(model: &Model, palette: Palette, area: Rect, buffer: &mut Buffer) {
    let passing = model.events.iter().rev().filter(|event| model.passes(&event.text));
    let lines = passing.map(|event| {
        let at = moment(event.at);
        let time = at.get(TIME..).unwrap_or_default();
        (span(palette, Ink::Faint, format!("{time}  ")), Span::raw(one_line(&event.text)))
    });
    list(model, Pane::Events, lines, palette, area, buffer);
}

/// Draws the log.
pub fn log(model: &Model, palette: Palette, area: Rect, buffer: &mut Buffer) {
    let passing = model.log.iter().rev().filter(|line| model.passes(&line.text));
    let lines = passing.map(|line| {
        let style = line.ink.map(|ink| palette.style(ink)).unwrap_or_default();
        (Span::raw(""), Span::styled(line.text.clone(), style))
    });
    list(model, Pane::Log, lines, palette, area, buffer);
}

/// Draws `lines`, the newest first, from the bottom up. What is before a text stays where it is when the text is moved.
fn list<'a>(
    model: &Model,
    pane: Pane,
    lines: impl Iterator<Item = (Span<'a>, Span<'a>)>,
    palette: Palette,
    area: Rect,
    buffer: &mut Buffer,
) {
    let scroll = model.choice.scroll(pane);
    let length = model.length(pane);
    let behind = scroll.lines.min(length.saturating_sub(1));
    let mut right = match (behind, model.choice.filter.is_empty()) {
        (0, true) => String::new(),
        (0, false) => format!(" {length} with {:?} ", model.choice.filter),
        (behind, _) => format!(" {} of {length} ", length - behind),
    };
    if pane == Pane::Events && area.width == buffer.area.width && right.is_empty() {
        " UTC ".clone_into(&mut right);
    }
    let inside = frame(model, pane, Line::from(span(palette, Ink::Faint, right)), palette, area, buffer);
    if length == 0 && inside.height > 0 {
        let text = if model.choice.filter.is_empty() { "nothing yet" } else { "nothing has this text" };
        buffer.set_stringn(
            inside.x + 1,
            inside.y,
            text,
            inside.width.saturating_sub(1).into(),
            palette.style(Ink::Faint),
        );
        return;
    }
    // Few lines stand at the top.
    let shown: Vec<_> = lines.skip(behind).take(inside.height.into()).collect();
    for (row, (before, text)) in (inside.y..inside.bottom()).zip(shown.into_iter().rev()) {
        let moved: String = text.content.chars().skip(scroll.columns).collect();
        let line = Line::from(vec![before, Span::styled(moved, text.style)]);
        buffer.set_line(inside.x + 1, row, &line, inside.width.saturating_sub(1));
    }
}
