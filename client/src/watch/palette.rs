//! Inks as styles of the screen.

use crate::look::{Ink, Look};
use ratatui::style::{Color, Modifier, Style};

/// How the screen is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Palette {
    /// Whether to use colours. Without them, bold and dim letters remain.
    pub color: bool,
}

impl Palette {
    /// As `look` has it.
    #[must_use]
    pub fn of(look: Look) -> Self {
        Self { color: look.color }
    }

    /// The style of `ink`.
    #[must_use]
    pub fn style(self, ink: Ink) -> Style {
        let style = Style::new();
        match ink {
            Ink::Strong => style.add_modifier(Modifier::BOLD),
            Ink::Faint => style.add_modifier(Modifier::DIM),
            Ink::Good => self.colored(Color::Green),
            Ink::Warning | Ink::Train => self.colored(Color::Yellow),
            Ink::Bad => self.colored(Color::Red).add_modifier(Modifier::BOLD),
            Ink::Test => self.colored(Color::Cyan),
        }
    }

    fn colored(self, color: Color) -> Style {
        if self.color { Style::new().fg(color) } else { Style::new() }
    }
}
