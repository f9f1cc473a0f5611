//! How text looks: colours and width.

/// How text is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Whether to use ANSI colours.
    pub color: bool,
    /// Columns.
    pub width: usize,
    /// Whether longer lines wrap there, as on a terminal. In files and pipes they do not.
    pub wraps: bool,
}

/// A role of text, with its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// What the eye should find first.
    Strong,
    /// Labels.
    Faint,
    /// All is well.
    Good,
    /// Not as it should be, but nothing to do yet.
    Warning,
    /// Something is wrong.
    Bad,
    /// A curve of the training set.
    Train,
    /// A curve of the test set.
    Test,
}

impl Ink {
    /// Its "Select Graphic Rendition" parameter.
    fn code(self) -> u8 {
        match self {
            Self::Strong => 1,
            Self::Faint => 2,
            Self::Good => 32,
            // Yellow and cyan are told apart with any of the common colour blindnesses.
            Self::Warning | Self::Train => 33,
            Self::Test => 36,
            Self::Bad => 31,
        }
    }
}

impl Look {
    /// Without colours, as for files and tests.
    #[must_use]
    pub const fn plain(width: usize) -> Self {
        Self { color: false, width, wraps: false }
    }

    /// `text` in that ink, or as it is where colours are not wanted.
    #[must_use]
    pub fn paint(&self, ink: Ink, text: &str) -> String {
        if self.color { format!("\u{1b}[{}m{text}\u{1b}[0m", ink.code()) } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_only_where_wanted() {
        assert_eq!(Look::plain(80).paint(Ink::Bad, "failed"), "failed");
        assert_eq!(Look { color: true, ..Look::plain(80) }.paint(Ink::Bad, "failed"), "\u{1b}[31mfailed\u{1b}[0m");
    }
}
