//! A run that is printed: line by line, or in place on a terminal.

use crate::{
    NAME,
    error::Failure,
    look::{Ink, Look},
    output::Output,
    status,
};
use program::say;
use proto::v1::Run;
use view::RunView;

/// A run in place on a terminal, or line by line.
pub struct Printed<'a> {
    output: &'a Output,
    /// Whether in place.
    in_place: bool,
    /// As last shown.
    run: Option<Run>,
    /// Lines of the view in place.
    drawn: usize,
    /// The last line that was printed.
    line: String,
}

impl<'a> Printed<'a> {
    /// In place if that is wanted, on a terminal.
    #[must_use]
    pub fn new(output: &'a Output, in_place: bool) -> Self {
        Self { output, in_place: in_place && output.redraws(), run: None, drawn: 0, line: String::new() }
    }

    /// Shows the run as it stands.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn show(&mut self, run: &Run) -> Result<(), Failure> {
        if self.output.json() {
            return self.output.json_line(&RunView::new(run));
        }
        let shown = self.print(run);
        self.run = Some(run.clone());
        shown
    }

    fn print(&mut self, run: &Run) -> Result<(), Failure> {
        if self.in_place {
            return self.draw(&status::render(run, self.output.look()), "");
        }
        // A watcher that joins late is told of the last epoch only.
        let told = self.run.as_ref().map_or(view::epochs_done(run).saturating_sub(1), view::epochs_done);
        for line in view::epochs_after(run, told) {
            self.output.text(&(line + "\n"))?;
        }
        let line = status::line(run);
        if line != self.line {
            self.output.text(&format!("{line}\n"))?;
            self.line = line;
        }
        Ok(())
    }

    /// Says that something is amiss: below the view, or on standard error.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn note(&mut self, note: &str) -> Result<(), Failure> {
        match &self.run {
            Some(run) if self.in_place => {
                let view = status::render(run, self.output.look()) + "\n";
                self.draw(&view, note)
            }
            _ => {
                say(NAME, &note);
                Ok(())
            }
        }
    }

    /// Draws `view` and, below it, `note`, which is there however small the terminal is.
    fn draw(&mut self, view: &str, note: &str) -> Result<(), Failure> {
        let look = self.output.look();
        let note = wrap(note, look);
        let mut lines = fit(view, look, self.output.rows().saturating_sub(note.len()));
        lines.extend(note);
        let text = redraw(self.drawn, &lines);
        self.drawn = lines.len();
        self.output.text(&text)
    }
}

/// `note` in lines of the terminal's width.
fn wrap(note: &str, look: Look) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in note.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() < look.width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.iter().map(|line| look.paint(Ink::Warning, line)).collect()
}

/// The lines of `view` that a terminal can hold, cut to its width: lines that wrap or scroll could not be drawn over.
fn fit(view: &str, look: Look, rows: usize) -> Vec<String> {
    let room = rows.saturating_sub(1).max(1);
    view.lines().take(room).map(|line| console::truncate_str(line, look.width, "…").into_owned()).collect()
}

/// What draws `lines` over the `drawn` lines above the cursor, in one piece so that it does not flicker.
fn redraw(drawn: usize, lines: &[String]) -> String {
    // Up, each line anew and its rest cleared, then everything below.
    let up = if drawn == 0 { String::new() } else { format!("\u{1b}[{drawn}A\r") };
    let body: String = lines.iter().flat_map(|line| [line.as_str(), "\u{1b}[K\n"]).collect();
    up + &body + "\u{1b}[J"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_drawn_over_the_one_before() {
        let lines = ["a".to_owned(), "b".to_owned()];
        assert_eq!(redraw(0, &lines), "a\u{1b}[K\nb\u{1b}[K\n\u{1b}[J");
        assert_eq!(redraw(3, &lines), "\u{1b}[3A\ra\u{1b}[K\nb\u{1b}[K\n\u{1b}[J");
    }

    #[test]
    fn a_view_is_cut_to_the_terminal() {
        assert_eq!(fit("12345\n123\n1\n2\n", Look::plain(4), 4), ["123…", "123", "1"]);
        assert_eq!(fit("1\n2\n", Look::plain(4), 0), ["1"]);
    }

    #[test]
    fn a_note_is_wrapped() {
        assert_eq!(wrap("gone: connection refused", Look::plain(12)), ["gone:", "connection", "refused"]);
    }
}
