//! Standard output: text, JSON, or a view that is redrawn in place.

use crate::{args::Picture, error::Failure, look::Look, thumbnail::Depth};
use console::Term;
use serde::Serialize;
use std::{
    env,
    io::{self, IsTerminal, Write},
};

/// Columns where there is no terminal.
const WIDTH: usize = 100;

/// Bytes that are written at a time.
const PIECE: usize = 1 << 14;

/// What standard output is, and what is wanted there.
#[derive(Debug)]
pub struct Output {
    json: bool,
    terminal: Option<Term>,
    color: bool,
}

impl Output {
    /// Looks at standard output and the environment.
    #[must_use]
    pub fn new(json: bool) -> Self {
        let terminal =
            (io::stdout().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb")).then(Term::stdout);
        // https://no-color.org: any value but an empty one.
        let color = terminal.is_some() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { json, terminal, color }
    }

    /// Whether JSON is wanted.
    #[must_use]
    pub fn json(&self) -> bool {
        self.json
    }

    /// Whether a view can be redrawn in place.
    #[must_use]
    pub fn redraws(&self) -> bool {
        self.terminal.is_some() && !self.json
    }

    /// With which colours pictures are drawn there, if they are.
    #[must_use]
    pub fn pictures(&self, wanted: Picture) -> Option<Depth> {
        let drawn = match wanted {
            Picture::Auto => self.color,
            Picture::Always => true,
            Picture::Never => false,
        };
        let is_true = |value| value == "truecolor" || value == "24bit";
        let depth = if env::var_os("COLORTERM").is_some_and(is_true) { Depth::True } else { Depth::Indexed };
        (drawn && !self.json).then_some(depth)
    }

    /// How text is to look there now; a terminal can change its size.
    #[must_use]
    pub fn look(&self) -> Look {
        let width = self.terminal.as_ref().and_then(Term::size_checked).map_or(WIDTH, |(_, columns)| columns.into());
        Look { color: self.color, width, wraps: self.terminal.is_some() }
    }

    /// Rows of the terminal.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.terminal.as_ref().and_then(Term::size_checked).map_or(usize::MAX, |(rows, _)| rows.into())
    }

    /// Prints `text`, which ends its last line itself.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn text(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        written.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::Closed,
            _ => Failure::Output(error),
        })
    }

    /// Prints lines, a piece of some of them at a time.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn lines(&self, lines: impl IntoIterator<Item = String>) -> Result<(), Failure> {
        let mut piece = String::new();
        for line in lines {
            piece += &line;
            piece.push('\n');
            if piece.len() >= PIECE {
                self.text(&piece)?;
                piece.clear();
            }
        }
        self.text(&piece)
    }

    /// Prints `object` on lines of its own, for people too.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn json_object(&self, object: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(object).map_err(|error| Failure::Output(error.into()))?;
        self.text(&(text + "\n"))
    }

    /// Prints `object` on one line, one of many.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn json_line(&self, object: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(object).map_err(|error| Failure::Output(error.into()))?;
        self.text(&(text + "\n"))
    }
}
