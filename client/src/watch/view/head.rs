//! The head: what the run does and why, how far it is, how fast.

use super::span;
use crate::{
    look::Ink,
    state,
    watch::{model::Model, palette::Palette},
};
use program::text::one_line;
use proto::v1::Run;
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
    widgets::{Block, BorderType, Widget},
};
use view::{Progress, duration, percent, rate, speed, word};

/// Draws it into three rows, or five with a frame.
pub fn draw(model: &Model, palette: Palette, area: Rect, buffer: &mut Buffer) {
    let run = &model.run;
    let mut inside = area;
    if area.height >= 5 {
        let about =
            format!(" run {} · generation {} · {} ", one_line(&run.id), run.generation, duration(run.wall_seconds));
        let mut block = Block::bordered()
            .border_type(BorderType::Rounded)
            .border_style(palette.style(Ink::Faint))
            .title(span(palette, Ink::Strong, format!(" {} ", name(run))));
        if about.chars().count() + name(run).chars().count() + 6 < usize::from(area.width) {
            block = block.title(Line::from(span(palette, Ink::Faint, about)).right_aligned());
        }
        inside = block.inner(area);
        block.render(area, buffer);
    }
    let mut first = doing(run, palette);
    if area.height < 5 {
        first.spans.insert(0, span(palette, Ink::Strong, format!("{} ", name(run))));
    }
    let third = match &model.trouble {
        Some(trouble) => Line::from(span(palette, Ink::Warning, format!("! {trouble}"))),
        None => figures(run, palette, usize::from(inside.width.saturating_sub(2))),
    };
    let width = inside.width.saturating_sub(2);
    let rows = [first, gauge(run, palette, width), third];
    for (row, line) in (inside.y..inside.bottom()).zip(rows) {
        set(buffer, (inside.x + 1, row), &line, width);
    }
}

/// The most important first, a line each: for a screen that has room for nothing else.
pub fn lines(model: &Model, palette: Palette, area: Rect, buffer: &mut Buffer) {
    let run = &model.run;
    let progress = Progress::of(run);
    let mut lines = vec![Line::from(span(palette, state::ink(run.state()), word(run.state())))];
    if let Some(trouble) = &model.trouble {
        lines.push(Line::from(span(palette, Ink::Warning, trouble.clone())));
    }
    lines.push(Line::from(format!("{:.0} %", 100.0 * progress.fraction)));
    lines.push(Line::from(format!("epoch {}/{}", progress.epoch, progress.epochs)));
    lines.push(Line::from(format!("step {}/{}", progress.step, progress.steps)));
    lines.extend(left(run).map(Line::from));
    lines.push(Line::from(span(palette, Ink::Faint, "too small; q quits")));
    for (row, line) in (area.top()..area.bottom()).zip(lines) {
        set(buffer, (area.x, row), &line, area.width);
    }
}

/// Writes `line`. Where it is too long a sign says so: the beginning of a name may be another's name.
fn set(buffer: &mut Buffer, (x, y): (u16, u16), line: &Line<'_>, width: u16) {
    buffer.set_line(x, y, line, width);
    if line.width() > usize::from(width)
        && let Some(cell) = width.checked_sub(1).and_then(|last| buffer.cell_mut((x + last, y)))
    {
        cell.set_char('…');
    }
}

fn name(run: &Run) -> String {
    one_line(run.model().unwrap_or("no model"))
}

fn doing(run: &Run, palette: Palette) -> Line<'static> {
    let word = word(run.state());
    let reason = one_line(&run.reason);
    // Most reasons begin with the state: "waiting for 1 of 4 workers".
    let rest = reason
        .strip_prefix(word)
        .map_or_else(|| if reason.is_empty() { String::new() } else { format!("  {reason}") }, str::to_owned);
    let ink = palette.style(state::ink(run.state())).patch(palette.style(Ink::Strong));
    Line::from(vec![Span::styled(format!("● {word}"), ink), Span::raw(rest)])
}

/// `epoch 3/8 ━━━━━━╌╌╌╌ 37.5 %  step 5/8`.
fn gauge(run: &Run, palette: Palette, width: u16) -> Line<'static> {
    let progress = Progress::of(run);
    let before = format!("epoch {}/{} ", progress.epoch, progress.epochs);
    let after = format!(" {:5.1} %  step {}/{}", 100.0 * progress.fraction, progress.step, progress.steps);
    let room = usize::from(width).saturating_sub(before.len() + after.len());
    let mut filled = (progress.fraction * room as f64).round() as usize;
    // It is only full when all is done.
    if progress.fraction < 1.0 && filled >= room {
        filled = room.saturating_sub(1);
    }
    Line::from(vec![
        Span::raw(before),
        span(palette, Ink::Good, "━".repeat(filled)),
        span(palette, Ink::Faint, "─".repeat(room - filled)),
        Span::raw(after),
    ])
}

/// Time left, while the run is not over.
fn left(run: &Run) -> Option<String> {
    let seconds = run.seconds_left.filter(|_| !view::is_over(run.state()))?;
    Some(format!("{} left", duration(seconds)))
}

/// As many figures as there is room for, the most wanted first.
fn figures(run: &Run, palette: Palette, width: usize) -> Line<'static> {
    const BETWEEN: &str = "  ·  ";
    let mut figures: Vec<String> = left(run).into_iter().collect();
    if run.images_per_second > 0.0 {
        figures.push(speed(run.images_per_second));
    }
    figures.extend(run.best_accuracy.map(|accuracy| format!("best {}", percent(accuracy))));
    figures.push(format!("rate {}", rate(run.learning_rate)));
    figures.extend((!run.checkpoint.is_empty()).then(|| one_line(&run.checkpoint)));
    let mut line = Line::default();
    for figure in figures {
        let between = if line.spans.is_empty() { "" } else { BETWEEN };
        if line.width() + between.chars().count() + figure.chars().count() > width {
            break;
        }
        line.push_span(span(palette, Ink::Faint, between));
        line.push_span(Span::raw(figure));
    }
    line
}
