//! The table of workers.

use super::{frame, span};
use crate::{
    look::Ink,
    watch::{
        model::{Model, Pane},
        palette::Palette,
    },
};
use program::text::one_line;
use proto::v1::{Run, Worker};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Modifier, Style},
    text::{Line, Span},
};
use view::{duration, thousands};

/// A worker is silent after so many milliseconds.
const SILENT: u64 = 3000;
/// Columns of the bar that shows how much of a step a worker computes.
const BAR: usize = 10;

/// The columns: a heading, a width, and whether figures stand at its right.
const COLUMNS: [(&str, usize, bool); 8] = [
    ("RANK", 5, true),
    ("WORKER", 16, false),
    ("IMAGES/S", 9, true),
    ("WORKS", 8, true),
    ("WAITS", 8, true),
    ("OF A STEP", BAR, false),
    ("LAST SIGN", 10, true),
    ("HEALTH", 60, false),
];
/// Those that go first where there is little room.
const SPARED: [usize; 3] = [5, 3, 2];

/// Draws it.
pub fn draw(model: &Model, palette: Palette, area: Rect, buffer: &mut Buffer) {
    let run = &model.run;
    let members = run.workers.iter().filter(|worker| worker.rank.is_some()).count();
    let right = match run.workers.len() {
        _ if model.trouble.is_some() => span(palette, Ink::Warning, " as last heard of "),
        0 => Span::raw(""),
        all if all == members => span(palette, Ink::Faint, format!(" {all} ")),
        all => span(palette, Ink::Faint, format!(" {members} of {all} train ")),
    };
    let inside = frame(model, Pane::Workers, (Pane::Workers.title(), right.into()), palette, area, buffer);
    if inside.height == 0 || inside.width < 2 {
        return;
    }
    if run.workers.is_empty() {
        let text = if view::is_over(run.state()) { "the run is over" } else { "no worker is attached yet" };
        buffer.set_stringn(
            inside.x + 1,
            inside.y,
            text,
            inside.width.saturating_sub(1).into(),
            palette.style(Ink::Faint),
        );
        return;
    }
    let columns = shown(usize::from(inside.width));
    let scroll = model.choice.scroll(Pane::Workers);
    let heading = COLUMNS.map(|(heading, ..)| vec![span(palette, Ink::Faint, heading)]);
    let first = scroll.min(run.workers.len() - 1);
    let rows = run.workers.iter().skip(first).map(|worker| row(run, worker, palette));
    for (place, cells) in (inside.y..inside.bottom()).zip(std::iter::once(heading).chain(rows)) {
        let line = line(cells, &columns);
        buffer.set_line(inside.x, place, &line, inside.width);
    }
    if model.trouble.is_some() {
        // What it says may be so no longer.
        buffer.set_style(inside, palette.style(Ink::Faint));
    }
}

/// The columns that fit into `width`.
fn shown(width: usize) -> Vec<usize> {
    let mut columns: Vec<usize> = (0..COLUMNS.len()).collect();
    for spared in SPARED {
        // Some words of health are the least.
        let needed: usize = columns.iter().map(|column| COLUMNS[*column].1.min(14) + 2).sum();
        if needed <= width {
            break;
        }
        columns.retain(|column| *column != spared);
    }
    columns
}

type Cell = Vec<Span<'static>>;

fn line(cells: [Cell; 8], columns: &[usize]) -> Line<'static> {
    let mut spans = Vec::new();
    for (column, cell) in cells.into_iter().enumerate().filter(|(column, _)| columns.contains(column)) {
        let (_, width, right) = COLUMNS[column];
        let long: usize = cell.iter().map(Span::width).sum();
        let padding = Span::raw(" ".repeat(width.saturating_sub(long)));
        let (before, after) = if right { (padding, Span::raw("  ")) } else { (Span::raw(""), padding) };
        spans.push(before);
        spans.extend(cell);
        spans.push(after);
        if !right {
            spans.push(Span::raw("  "));
        }
    }
    Line::from(spans)
}

fn row(run: &Run, worker: &Worker, palette: Palette) -> [Cell; 8] {
    let (ink, sign, health) = health(worker);
    let time = |seconds: f64| if seconds > 0.0 { format!("{:.0} ms", 1000.0 * seconds) } else { "–".to_owned() };
    let seen = match worker.last_seen_ms {
        0..1000 => "now".to_owned(),
        millis => format!("{} ago", duration(millis as f64 / 1000.0)),
    };
    let mut name = one_line(&worker.name);
    if name.chars().count() > COLUMNS[1].1 {
        name = name.chars().take(COLUMNS[1].1 - 1).chain(['…']).collect();
    }
    [
        vec![Span::raw(worker.rank.map_or_else(|| "–".to_owned(), |rank| rank.to_string()))],
        vec![Span::styled(name, Style::new().add_modifier(Modifier::BOLD))],
        vec![Span::raw(images_per_second(run, worker).map_or_else(|| "–".to_owned(), thousands))],
        vec![Span::raw(time(worker.compute_seconds))],
        vec![Span::raw(time(worker.wait_seconds))],
        bar(worker, palette),
        vec![Span::raw(seen)],
        vec![span(palette, ink, format!("{sign} {health}"))],
    ]
}

/// A worker's part of the run's images in a second, by its shards.
fn images_per_second(run: &Run, worker: &Worker) -> Option<u64> {
    let all: usize = run.workers.iter().map(|worker| worker.shards.len()).sum();
    let part = run.images_per_second * worker.shards.len() as f64 / all.max(1) as f64;
    (part > 0.0).then_some(part.round() as u64)
}

/// How much of a step it computes, and how much it waits.
fn bar(worker: &Worker, palette: Palette) -> Cell {
    let all = worker.compute_seconds + worker.wait_seconds;
    let share = worker.compute_seconds / all;
    if !share.is_finite() {
        return Vec::new();
    }
    let filled = ((share.clamp(0.0, 1.0) * BAR as f64).round() as usize).min(BAR);
    vec![span(palette, Ink::Good, "━".repeat(filled)), span(palette, Ink::Faint, "─".repeat(BAR - filled))]
}

/// How it is: a colour, a sign, and words.
fn health(worker: &Worker) -> (Ink, char, String) {
    let set_aside = one_line(&worker.set_aside);
    match worker.back_in_seconds {
        Some(0.0) => return (Ink::Bad, '✕', format!("set aside, rehearses: {set_aside}")),
        Some(seconds) => return (Ink::Bad, '✕', format!("set aside for {}: {set_aside}", duration(seconds))),
        None => {}
    }
    if worker.preparing {
        (Ink::Warning, '…', "prepares".to_owned())
    } else if worker.last_seen_ms > SILENT {
        (Ink::Warning, '!', format!("silent for {}", duration(worker.last_seen_ms as f64 / 1000.0)))
    } else if worker.rank.is_none() {
        (Ink::Warning, '○', "spare".to_owned())
    } else if worker.strikes > 0 {
        (Ink::Warning, '!', format!("{} failures in a row: {set_aside}", worker.strikes))
    } else {
        (Ink::Good, '✓', "well".to_owned())
    }
}
