//! A terminal that is never asked anything: some do not answer, and whoever waits for them stands still.

use ratatui::{
    backend::{Backend, ClearType, CrosstermBackend, WindowSize},
    buffer::Cell,
    layout::{Position, Size},
};
use std::io::{self, Write};

/// As crossterm writes to a terminal, but for the place of the cursor. That is where it was put last.
#[derive(Debug)]
pub struct Silent<W: Write> {
    terminal: CrosstermBackend<W>,
    cursor: Position,
}

impl<W: Write> Silent<W> {
    /// Through `writer`.
    pub fn new(writer: W) -> Self {
        Self { terminal: CrosstermBackend::new(writer), cursor: Position::ORIGIN }
    }
}

impl<W: Write> Backend for Silent<W> {
    type Error = io::Error;

    fn draw<'a, I: Iterator<Item = (u16, u16, &'a Cell)>>(&mut self, content: I) -> io::Result<()> {
        self.terminal.draw(content)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.terminal.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.terminal.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.cursor)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.cursor = position.into();
        self.terminal.set_cursor_position(self.cursor)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.terminal.clear()
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.terminal.clear_region(clear_type)
    }

    fn size(&self) -> io::Result<Size> {
        self.terminal.size()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        self.terminal.window_size()
    }

    fn flush(&mut self) -> io::Result<()> {
        Backend::flush(&mut self.terminal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::{Terminal, TerminalOptions, Viewport, layout::Rect};

    #[test]
    fn nothing_is_asked_of_a_terminal() {
        let mut written = Vec::new();
        let options = TerminalOptions { viewport: Viewport::Fixed(Rect::new(0, 0, 20, 4)) };
        let mut terminal = Terminal::with_options(Silent::new(&mut written), options).unwrap();
        terminal.clear().unwrap();
        terminal.resize(Rect::new(0, 0, 10, 4)).unwrap();
        terminal.draw(|frame| frame.buffer_mut().set_string(0, 0, "here", ratatui::style::Style::new())).unwrap();
        drop(terminal);
        let written = String::from_utf8(written).unwrap();
        assert!(written.contains("here") && !written.contains("\u{1b}[6n"), "{written:?}");
    }
}
