//! The foot: what keys do, or the filter.

use super::span;
use crate::{
    look::Ink,
    watch::{marks::Kind, model::Model, palette::Palette},
};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Modifier,
    text::{Line, Span},
};

/// Keys and what they do, the most important first.
const KEYS: [(&str, &str); 5] =
    [("?", "help"), ("q", "quit"), ("tab", "next pane"), ("enter", "zoom"), ("/", "filter")];

/// Draws it into one row.
pub fn draw(model: &Model, palette: Palette, area: Rect, buffer: &mut Buffer) {
    let choice = &model.choice;
    let mut spans = Vec::new();
    if choice.typing {
        spans.extend([
            span(palette, Ink::Strong, " / "),
            Span::raw(choice.filter.clone()),
            Span::styled(" ", palette.style(Ink::Strong).add_modifier(Modifier::REVERSED)),
            span(palette, Ink::Faint, "  enter keeps it, esc clears it"),
        ]);
    } else {
        if !choice.filter.is_empty() {
            spans.push(span(palette, Ink::Warning, format!(" only {:?} ", choice.filter)));
        }
        for (key, does) in KEYS {
            spans.extend([
                span(palette, Ink::Strong, format!(" {key}")),
                span(palette, Ink::Faint, format!(" {does} ")),
            ]);
        }
    }
    let line = Line::from(spans);
    buffer.set_line(area.x, area.y, &line, area.width);
    let legend = legend(palette);
    let free = usize::from(area.width).saturating_sub(line.width() + 2);
    if legend.width() <= free {
        buffer.set_line(area.right() - legend.width() as u16, area.y, &legend, area.width);
    }
}

/// What the marks of the curves mean.
fn legend(palette: Palette) -> Line<'static> {
    let mut spans = Vec::new();
    for kind in Kind::ALL {
        spans.push(span(palette, kind.ink(), kind.sign().to_string()));
        spans.push(span(palette, Ink::Faint, format!(" {}  ", kind.name())));
    }
    Line::from(spans)
}
