//! `cox watch`: the run until it is over.

use crate::{
    NAME, args,
    connect::Coordinator,
    error::Failure,
    look::{Ink, Look},
    output::Output,
    requirement, status,
};
use program::{say, text::one_line};
use proto::v1::{Run, RunState};
use std::time::{Duration, Instant};
use tokio::time::sleep;
use tonic::transport::Uri;
use view::{RunView, duration};

/// Before the first attempt to find a coordinator again; it doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LAST_PAUSE: Duration = Duration::from_secs(15);

/// Shows the run until it is over. A coordinator that was there and goes away is looked for.
///
/// # Errors
/// If the run failed or has not reached what it was to, no coordinator was there, or none came back in time.
pub async fn watch(url: &Uri, options: &args::Watch, output: &Output) -> Result<(), Failure> {
    let mut screen = Screen::new(output);
    let mut lost: Option<Instant> = None;
    let mut pause = FIRST_PAUSE;
    loop {
        let connected = Instant::now();
        let failure = match follow(url, options.interval, &mut screen, &mut lost).await {
            Ok(run) => return end(&run).and_then(|()| requirement::check(&options.demands, &run)),
            Err(failure) => failure,
        };
        // Nothing has been shown yet: more likely a wrong address than a coordinator that is being restarted.
        if screen.run.is_none() || !failure.may_pass() {
            return Err(failure);
        }
        // One that comes and goes is asked ever less often.
        if connected.elapsed() > LAST_PAUSE {
            pause = FIRST_PAUSE;
        }
        let since = *lost.get_or_insert_with(Instant::now);
        if since.elapsed() + pause > options.patience {
            return Err(failure);
        }
        screen.note(&format!("{failure} (next attempt in {})", duration(pause.as_secs_f64())))?;
        sleep(pause).await;
        pause = (2 * pause).min(LAST_PAUSE);
    }
}

/// Shows the run as long as one connection holds; returns it when it is over. Clears `lost` when the coordinator speaks.
async fn follow(
    url: &Uri,
    interval: Duration,
    screen: &mut Screen<'_>,
    lost: &mut Option<Instant>,
) -> Result<Run, Failure> {
    let mut changes = Coordinator::connect(url).await?.watch(interval).await?;
    loop {
        let run = changes.next().await?;
        *lost = None;
        let over = view::is_over(run.state());
        screen.show(&run)?;
        if over {
            return Ok(run);
        }
        screen.run = Some(run);
    }
}

/// Success, unless the run failed.
fn end(run: &Run) -> Result<(), Failure> {
    match run.state() {
        RunState::Failed => Err(Failure::RunFailed { reason: one_line(&run.reason) }),
        _ => Ok(()),
    }
}

/// Where the run is shown: in place on a terminal, else line by line.
struct Screen<'a> {
    output: &'a Output,
    /// As last shown.
    run: Option<Run>,
    /// Lines of the view in place.
    drawn: usize,
    /// The last line that was printed.
    line: String,
}

impl<'a> Screen<'a> {
    fn new(output: &'a Output) -> Self {
        Self { output, run: None, drawn: 0, line: String::new() }
    }

    fn show(&mut self, run: &Run) -> Result<(), Failure> {
        if self.output.json() {
            return self.output.json_line(&RunView::new(run));
        }
        if self.output.redraws() {
            return self.draw(&status::render(run, self.output.look()), "");
        }
        // A watcher that joins late is told of the last epoch only.
        let shown = self.run.as_ref().map_or(run.epochs.len().saturating_sub(1), |before| before.epochs.len());
        for line in view::last_epochs(run, run.epochs.len().saturating_sub(shown)) {
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
    fn note(&mut self, note: &str) -> Result<(), Failure> {
        match &self.run {
            Some(run) if self.output.redraws() => {
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

    #[test]
    fn a_failed_run_fails_the_watcher() {
        let run = |state: RunState| Run { state: state.into(), reason: "loss is NaN".to_owned(), ..Run::default() };
        assert!(end(&run(RunState::Finished)).is_ok());
        assert!(end(&run(RunState::Stopped)).is_ok());
        let failure = end(&run(RunState::Failed)).unwrap_err();
        assert_eq!((failure.exit_code(), failure.to_string().as_str()), (1, "the run failed: loss is NaN"));
    }
}
