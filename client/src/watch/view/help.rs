//! The keys, over everything else.

use super::span;
use crate::{
    look::Ink,
    watch::{marks::Kind, palette::Palette},
};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::Line,
    widgets::{Block, BorderType, Clear, Widget},
};

/// Keys and what they do.
const KEYS: [(&str, &str); 11] = [
    ("tab, shift-tab, 1-6", "to the next pane, the one before, or that one"),
    ("h l, left right", "along the epochs of a curve"),
    ("j k, down up", "down and up"),
    ("g G, home end", "to the first, to the last"),
    ("page down, page up", "ten at a time"),
    ("enter", "the pane fills the screen, or not"),
    ("/", "only events and lines with some text"),
    ("esc", "back: from zoom, filter, cursor"),
    ("ctrl-l", "draws everything anew"),
    ("q, ctrl-c", "leaves; the run goes on"),
    ("?", "this help; any key closes it"),
];

/// Draws it into the middle of `area`.
pub fn draw(palette: Palette, area: Rect, buffer: &mut Buffer) {
    let keys = KEYS.map(|(key, does)| {
        Line::from(vec![span(palette, Ink::Strong, format!("{key:<21}")), span(palette, Ink::Faint, does)])
    });
    let signs = Kind::ALL
        .map(|kind| vec![span(palette, kind.ink(), kind.sign().to_string()), format!(" {}  ", kind.name()).into()]);
    let mut lines = keys.to_vec();
    lines.push(Line::default());
    lines.push(Line::from(vec![
        span(palette, Ink::Train, "╍╍"),
        " train   ".into(),
        span(palette, Ink::Test, "━━"),
        " test".into(),
    ]));
    lines.push(Line::from(signs.concat()));
    let width = area.width.min(lines.iter().map(Line::width).max().unwrap_or(0) as u16 + 4);
    let height = area.height.min(lines.len() as u16 + 2);
    let place = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    Clear.render(place, buffer);
    let title = span(palette, Ink::Strong, " Keys ");
    let block = Block::bordered().border_type(BorderType::Thick).border_style(palette.style(Ink::Strong)).title(title);
    let inside = block.inner(place);
    block.render(place, buffer);
    for (row, line) in (inside.y..inside.bottom()).zip(lines) {
        buffer.set_line(inside.x + 1, row, &line, inside.width.saturating_sub(2));
    }
}
