//! What is seen: a model and the size of the screen in, cells out. Pure.

mod chart;
mod foot;
mod head;
mod help;
mod lists;
mod places;
mod series;
mod workers;

use super::{
    marks::marks,
    model::{Model, Pane},
    palette::Palette,
};
use crate::look::Ink;
use places::{Places, places};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
    widgets::{Block, BorderType, Widget},
};

/// Draws `model` over all of `area`.
pub fn draw(model: &Model, palette: Palette, area: Rect, buffer: &mut Buffer) {
    match places(area, &model.choice, model.run.workers.len()) {
        Places::Lines => head::lines(model, palette, area, buffer),
        Places::Whole { head, panes, foot } => {
            head::draw(model, palette, head, buffer);
            let marks = marks(model);
            for (pane, area) in panes {
                match pane {
                    Pane::Loss | Pane::Accuracy | Pane::Rate => {
                        chart::draw(model, pane, &marks, palette, area, buffer);
                    }
                    Pane::Workers => workers::draw(model, palette, area, buffer),
                    Pane::Events => lists::events(model, palette, area, buffer),
                    Pane::Log => lists::log(model, palette, area, buffer),
                }
            }
            foot::draw(model, palette, foot, buffer);
        }
    }
    if model.choice.help {
        help::draw(palette, area, buffer);
    }
}

/// Draws the frame of `pane` with a title, and something at its right if there is room; returns what is inside.
fn frame(
    model: &Model,
    pane: Pane,
    (title, right): (&str, Line<'_>),
    palette: Palette,
    area: Rect,
    buffer: &mut Buffer,
) -> Rect {
    let focused = model.choice.focus == pane;
    let (edge, ink) = if focused { (BorderType::Thick, Ink::Strong) } else { (BorderType::Rounded, Ink::Faint) };
    let title = Span::styled(format!(" {title} "), palette.style(Ink::Strong));
    let room = usize::from(area.width).saturating_sub(title.width() + 4);
    let mut block = Block::bordered().border_type(edge).border_style(palette.style(ink)).title(title);
    if right.width() > 0 && right.width() <= room {
        block = block.title(right.right_aligned());
    }
    let inside = block.inner(area);
    block.render(area, buffer);
    inside
}

/// A text with the colour of an ink.
fn span(palette: Palette, ink: Ink, text: impl Into<String>) -> Span<'static> {
    Span::styled(text.into(), palette.style(ink))
}
