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
        // What is below, such as a frame, does not shine through.
        let style = Style::new().remove_modifier(Modifier::DIM | Modifier::BOLD);
        match ink {
            Ink::Strong => Style::new().remove_modifier(Modifier::DIM).add_modifier(Modifier::BOLD),
            Ink::Faint => Style::new().remove_modifier(Modifier::BOLD).add_modifier(Modifier::DIM),
            Ink::Good => self.colored(style, Color::Green),
            Ink::Warning | Ink::Train => self.colored(style, Color::Yellow),
            Ink::Bad => {
                self.colored(Style::new().remove_modifier(Modifier::DIM).add_modifier(Modifier::BOLD), Color::Red)
            }
            Ink::Test => self.colored(style, Color::Cyan),
        }
    }

    fn colored(self, style: Style, color: Color) -> Style {
        if self.color { style.fg(color) } else { style }
    }
}
