//! What keys do. Pure: a key changes what is chosen, and nothing else.

use super::model::{Model, Pane};

/// No filter is longer, in letters.
const LONGEST_FILTER: usize = 100;
/// Lines of a page.
const PAGE: usize = 10;

/// A key, as far as it means anything here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A letter or a sign.
    Letter(char),
    /// To the next pane.
    Tab,
    /// To the one before.
    BackTab,
    /// Enter.
    Enter,
    /// Escape.
    Escape,
    /// Takes the last letter of a filter away.
    Backspace,
    /// An arrow, as `h`, `j`, `k` and `l`.
    Left,
    /// As `j`.
    Down,
    /// As `k`.
    Up,
    /// As `l`.
    Right,
    /// A page down.
    PageDown,
    /// A page up.
    PageUp,
    /// As `g`.
    Home,
    /// As `G`.
    End,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-Z.
    Suspend,
    /// Ctrl-L.
    Redraw,
}

/// What a key asks of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// To draw what has changed.
    Draw,
    /// To draw everything anew.
    Redraw,
    /// To end.
    Quit,
    /// To end as by a signal.
    Interrupt,
    /// To stop until it is told to go on.
    Suspend,
}

/// Takes `key` in.
pub fn press(model: &mut Model, key: Key) -> Wish {
    match key {
        Key::Interrupt => return Wish::Interrupt,
        Key::Suspend => return Wish::Suspend,
        Key::Redraw => return Wish::Redraw,
        _ => {}
    }
    if model.choice.typing {
        edit(model, key);
    } else if model.choice.help {
        // Any key but the one that ends all closes the help.
        model.choice.help = false;
        if key == Key::Letter('q') {
            return Wish::Quit;
        }
    } else if key == Key::Letter('q') {
        return Wish::Quit;
    } else {
        command(model, key);
    }
    Wish::Draw
}

/// While the filter is typed.
fn edit(model: &mut Model, key: Key) {
    let choice = &mut model.choice;
    match key {
        Key::Enter => choice.typing = false,
        Key::Escape => {
            choice.typing = false;
            choice.filter.clear();
        }
        Key::Backspace => {
            choice.filter.pop();
        }
        Key::Letter(letter) if !letter.is_control() && choice.filter.chars().count() < LONGEST_FILTER => {
            choice.filter.push(letter);
        }
        _ => {}
    }
    // What is found is looked at from its end.
    for pane in [Pane::Events, Pane::Log] {
        if let Some(scroll) = scroll(model, pane) {
            *scroll = 0;
        }
    }
}

fn command(model: &mut Model, key: Key) {
    let choice = &mut model.choice;
    match key {
        Key::Letter('?') => choice.help = true,
        Key::Letter('/') => {
            choice.typing = true;
            // The filter is of texts.
            if !matches!(choice.focus, Pane::Events | Pane::Log) {
                choice.focus = Pane::Events;
            }
        }
        Key::Tab => choice.focus = beside(choice.focus, 1),
        Key::BackTab => choice.focus = beside(choice.focus, Pane::ALL.len() - 1),
        Key::Letter(digit @ '1'..='6') => choice.focus = Pane::ALL[digit as usize - '1' as usize],
        Key::Enter => choice.zoomed = !choice.zoomed,
        // Back, one thing at a time.
        Key::Escape if choice.zoomed => choice.zoomed = false,
        Key::Escape if !choice.filter.is_empty() => choice.filter.clear(),
        Key::Escape => {
            choice.cursor = None;
            choice.scrolls = [0; 3];
        }
        _ if choice.focus.is_curve() => point(model, key),
        _ => roll(model, key),
    }
}

/// The pane so many places further.
fn beside(pane: Pane, places: usize) -> Pane {
    let place = Pane::ALL.iter().position(|other| *other == pane).unwrap_or_default();
    Pane::ALL[(place + places) % Pane::ALL.len()]
}

/// Moves along the epochs.
fn point(model: &mut Model, key: Key) {
    let Some(last) = model.epochs().len().checked_sub(1) else { return };
    let choice = &mut model.choice;
    let place = choice.cursor.unwrap_or(last).min(last);
    let to = match key {
        Key::Letter('h') | Key::Left => place.saturating_sub(1),
        Key::Letter('l') | Key::Right => place + 1,
        Key::Letter('g') | Key::Home => 0,
        Key::Letter('G') | Key::End => last + 1,
        Key::PageUp => place.saturating_sub(PAGE),
        Key::PageDown => place + PAGE,
        // Other curves are below and above.
        Key::Letter('j') | Key::Down => return choice.focus = beside(choice.focus, 1),
        Key::Letter('k') | Key::Up => return choice.focus = beside(choice.focus, Pane::ALL.len() - 1),
        _ => return,
    };
    // Beyond the last it stays at the end, whatever comes.
    choice.cursor = Some(to).filter(|to| *to <= last);
}

/// Moves along a list.
fn roll(model: &mut Model, key: Key) {
    let focus = model.choice.focus;
    let last = model.length(focus).saturating_sub(1);
    let Some(scroll) = scroll(model, focus) else { return };
    let downwards = focus == Pane::Workers;
    let lines = (*scroll).min(last);
    // What grows is scrolled from its end.
    let (up, down) = match key {
        Key::Letter('j') | Key::Down => (0, 1),
        Key::Letter('k') | Key::Up => (1, 0),
        Key::PageDown => (0, PAGE),
        Key::PageUp => (PAGE, 0),
        Key::Letter('g') | Key::Home => (last, 0),
        Key::Letter('G') | Key::End => (0, last),
        _ => return,
    };
    let (further, back) = if downwards { (down, up) } else { (up, down) };
    *scroll = (lines.saturating_sub(back) + further).min(last);
}

fn scroll(model: &mut Model, pane: Pane) -> Option<&mut usize> {
    match pane {
        Pane::Workers => model.choice.scrolls.get_mut(0),
        Pane::Events => model.choice.scrolls.get_mut(1),
        Pane::Log => model.choice.scrolls.get_mut(2),
        Pane::Loss | Pane::Accuracy | Pane::Rate => None,
    }
}
