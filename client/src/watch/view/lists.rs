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
use console::measure_text_width;
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
    let behind = scroll.min(length.saturating_sub(1));
    let mut right = match (behind, model.choice.filter.is_empty()) {
        (0, true) => String::new(),
        (0, false) => format!(" {length} with {:?} ", model.choice.filter),
        (behind, _) => format!(" {} of {length} ", length - behind),
    };
    if pane == Pane::Events && area.width == buffer.area.width && right.is_empty() {
        " UTC ".clone_into(&mut right);
    }
    let inside = frame(model, pane, (pane.title(), span(palette, Ink::Faint, right).into()), palette, area, buffer);
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
    let width = usize::from(inside.width).saturating_sub(2);
    let mut rows: Vec<Line> = Vec::new();
    for (before, text) in lines.skip(behind) {
        let mut wrapped = wrap(&text.content, width.saturating_sub(before.width()));
        // From below as well.
        let first = wrapped.remove(0);
        let indent = Span::raw(" ".repeat(before.width().max(2)));
        rows.extend(
            wrapped.into_iter().rev().map(|part| Line::from(vec![indent.clone(), Span::styled(part, text.style)])),
        );
        rows.push(Line::from(vec![before, Span::styled(first, text.style)]));
        if rows.len() >= inside.height.into() {
            break;
        }
    }
    // Few lines stand at the top.
    rows.truncate(inside.height.into());
    for (row, line) in (inside.y..inside.bottom()).zip(rows.into_iter().rev()) {
        buffer.set_line(inside.x + 1, row, &line, inside.width.saturating_sub(1));
    }
}

/// `text` in parts of at most `width` columns, as far as words allow; at least one. Parts but the first leave room for two more.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut parts = vec![String::new()];
    for word in text.split(' ') {
        let many = parts.len();
        let room = if many == 1 { width } else { width.saturating_sub(2) };
        match parts.last_mut() {
            Some(part) if part.is_empty() || measure_text_width(part) + 1 + measure_text_width(word) <= room => {
                if !part.is_empty() {
                    part.push(' ');
                }
                part.push_str(word);
            }
            _ => parts.push(word.to_owned()),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_go_on_below() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("one two three four", 9), ["one two", "three", "four"]);
        assert_eq!(wrap("", 7), [""]);
        assert_eq!(wrap("[  1/  8] x", 40), ["[  1/  8] x"]);
        assert_eq!(wrap("immense", 0), ["immense"]);
    }
}
