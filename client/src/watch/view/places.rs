//! Where everything is, by the size of the screen.

use crate::watch::model::{Choice, Pane};
use ratatui::layout::{Constraint, Layout, Rect};

/// A screen that is smaller shows some lines of text and no panes.
const SMALLEST: (u16, u16) = (24, 8);
/// One that is smaller shows one pane at a time.
const ALL_PANES: (u16, u16) = (64, 18);
/// One that is wider shows events and log side by side.
const BOTH_LISTS: u16 = 100;
/// One that is higher has a frame around its head.
const FRAMED: u16 = 30;

/// What is where.
#[derive(Debug, PartialEq, Eq)]
pub enum Places {
    /// There is room for lines of text only.
    Lines,
    /// There is room for panes.
    Whole {
        /// State and progress.
        head: Rect,
        /// The panes that are shown.
        panes: Vec<(Pane, Rect)>,
        /// What keys do.
        foot: Rect,
    },
}

/// The places on a screen of `area`, of a run with so many `workers`.
#[must_use]
pub fn places(area: Rect, choice: &Choice, workers: usize) -> Places {
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        return Places::Lines;
    }
    let rows = if area.height >= FRAMED { 5 } else { 3 };
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(rows), Constraint::Min(0), Constraint::Length(1)]).areas(area);
    let panes = if choice.zoomed || area.width < ALL_PANES.0 || area.height < ALL_PANES.1 {
        vec![(choice.focus, body)]
    } else {
        panes(body, choice, workers)
    };
    Places::Whole { head, panes, foot }
}

fn panes(body: Rect, choice: &Choice, workers: usize) -> Vec<(Pane, Rect)> {
    let curves = (body.height * 9 / 20).clamp(7, 18);
    // Its frame and its heading beside them.
    let workers = u16::try_from(workers).unwrap_or(u16::MAX).saturating_add(3).clamp(4, (body.height / 4).max(4));
    let [curves, workers, lists] =
        Layout::vertical([Constraint::Length(curves), Constraint::Length(workers), Constraint::Min(3)]).areas(body);
    let [loss, accuracy, rate] =
        Layout::horizontal([Constraint::Percentage(36), Constraint::Percentage(36), Constraint::Min(0)]).areas(curves);
    let mut panes = vec![(Pane::Loss, loss), (Pane::Accuracy, accuracy), (Pane::Rate, rate), (Pane::Workers, workers)];
    if body.width >= BOTH_LISTS {
        let [events, log] = Layout::horizontal([Constraint::Percentage(50), Constraint::Min(0)]).areas(lists);
        panes.extend([(Pane::Events, events), (Pane::Log, log)]);
    } else {
        panes.push((if choice.focus == Pane::Log { Pane::Log } else { Pane::Events }, lists));
    }
    panes
}
