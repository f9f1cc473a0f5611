//! What a person at the terminal sees: a bar while it works, the article's line after each epoch, a table in the end.
//!
//! All of it is written by threads of their own. Whoever has something to show never waits for a terminal that is blocked,
//! or for a pipe that nobody reads.

use crate::{error::Error, summary::Summary};
use indicatif::{ProgressBar, ProgressStyle};
use program::{FAREWELL, Format, Log, Outlet, text};
use proto::v1::{self, RunState};
use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write},
    path::Path,
};
use view::{bar, duration, epoch_line, percent};

/// The terminal of a run.
#[derive(Debug, Clone)]
pub struct Display {
    /// Only on a terminal.
    bar: Option<ProgressBar>,
    log: Log,
    /// Where lines on standard output are written.
    lines: Outlet,
}

impl Display {
    /// A bar if standard error is a terminal, else plain lines. The log looks as `format` says, and goes above the bar.
    ///
    /// # Errors
    /// If there are no threads to be had.
    pub fn new(format: Format) -> Result<Self, Error> {
        // A line of JSON has no bar beside it.
        let bar = (io::stderr().is_terminal() && format == Format::Text).then(|| {
            let bar = ProgressBar::new(1);
            bar.set_style(
                ProgressStyle::with_template("{prefix} {bar:32.green/dim} {pos:>4}/{len} {wide_msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar
        });
        let above = bar.clone();
        let write = move |line: &[u8]| {
            // Who reads it may be gone; that is no reason to stop training.
            let write = || drop(io::stderr().write_all(line));
            match &above {
                Some(bar) => bar.suspend(write),
                None => write(),
            }
        };
        let log = Log::new("coordinator", format, write).map_err(Error::Output)?;
        // On the same terminal, lines and the bar are one thread's; a pipe that is blocked holds up nothing else.
        let lines = match &bar {
            Some(_) if io::stdout().is_terminal() => log.outlet().clone(),
            _ => Outlet::start("lines", |_| {}).map_err(Error::Output)?,
        };
        Ok(Self { bar, log, lines })
    }

    /// The log on standard error.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Whether a bar tells what plain log lines would.
    #[must_use]
    pub fn has_bar(&self) -> bool {
        self.bar.is_some()
    }

    /// The run as it stands.
    pub fn progress(&self, run: &v1::Run) {
        let Some(bar) = self.bar.clone() else { return };
        let epochs = run.total_epochs();
        let prefix = format!("Epoch [{:3}/{epochs:3}]", u64::from(run.epoch) + 1);
        let (length, position) = (u64::from(run.steps_per_epoch), u64::from(run.step));
        let training = run.state() == RunState::Training;
        let message = match (run.train_loss, run.train_accuracy) {
            (Some(loss), Some(accuracy)) if training => format!(
                "loss {loss:.4}  acc {:.2}%  {:.0} img/s  {} left",
                100.0 * accuracy,
                run.images_per_second,
                run.seconds_left.map_or_else(|| "?".to_owned(), duration),
            ),
            _ => text::one_line(&run.reason),
        };
        self.log.outlet().show(move || {
            bar.set_prefix(prefix);
            bar.set_length(length);
            bar.set_position(position);
            bar.set_message(message);
        });
    }

    /// An epoch that is done.
    pub fn epoch(&self, epoch: &v1::Epoch, epochs: u32) {
        self.print(epoch_line(epoch, epochs));
    }

    /// The end of the run.
    pub fn end(&self, summary: &Summary, run_dir: &Path) {
        self.clear();
        self.print(table(summary, run_dir));
    }

    /// Takes the bar away, and waits a little until everything is written.
    pub fn finish(&self) {
        self.clear();
        self.lines.finish(FAREWELL);
        self.log.finish();
    }

    fn clear(&self) {
        let Some(bar) = self.bar.clone() else { return };
        // What it would have shown next is of no interest any more.
        self.log.outlet().show(|| {});
        self.log.outlet().push(move || bar.finish_and_clear());
    }

    /// Something that is to be seen beside a bar. Without one, the log has it.
    pub fn tell(&self, text: &str) {
        if self.bar.is_some() {
            self.print(text.to_owned());
        }
    }

    /// The end of a run that was over before it began.
    pub fn over(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.print(text.to_owned());
    }

    /// Prints to standard output, above the bar.
    fn print(&self, text: String) {
        let bar = self.bar.clone().filter(|_| io::stdout().is_terminal());
        self.lines.push(move || {
            // A closed pipe is no reason to stop training.
            let print = || drop(writeln!(io::stdout(), "{text}"));
            match &bar {
                Some(bar) => bar.suspend(print),
                None => print(),
            }
        });
    }
}

/// The end of a run as a table.
fn table(summary: &Summary, run_dir: &Path) -> String {
    const BAR: usize = 40;
    /// Columns of a class's name, if none is longer.
    const NAME: usize = 12;
    let row = |name: &str, value: String| format!("  {name:<18} {value}\n");
    let mut text = format!("\n{} {}: {}\n\n", summary.model, summary.state, text::one_line(&summary.reason));
    if let (Some(accuracy), Some(loss)) = (summary.test_accuracy, summary.test_loss) {
        text += &row("test accuracy", percent(accuracy));
        text += &row("test loss", format!("{loss:.4}"));
    }
    if let (Some(best), Some(name)) = (summary.best_accuracy, &summary.best_checkpoint) {
        text += &row("best", format!("{} ({name})", percent(best)));
    }
    text += &row("epochs", format!("{} ({} steps)", summary.epochs, summary.steps));
    // Of an epoch that was not ended, nothing is known yet.
    if summary.train_images > 0 {
        text += &row(
            "trained",
            format!(
                "{} images at {:.0}/s in {}, {}",
                summary.train_images,
                summary.images_per_second,
                duration(summary.train_seconds),
                summary.precision
            ),
        );
    }
    text += &row("in all", duration(summary.wall_seconds));
    text += &row("shards", format!("{}, last on {} workers", summary.shards, summary.workers));
    if !summary.recoveries.is_empty() {
        text += &row("recoveries", summary.recoveries.len().to_string());
    }
    if let Some(checkpoint) = &summary.checkpoint {
        text += &row("checkpoint", run_dir.join("checkpoints").join(checkpoint).display().to_string());
    }
    if let Some(digest) = &summary.weights_sha256 {
        text += &row("weights", format!("sha256 {digest}"));
    }
    if !summary.per_class_accuracy.is_empty() {
        text += "\n";
        let width = summary.classes.iter().map(|name| name.chars().count()).max().unwrap_or_default().max(NAME);
        for (name, accuracy) in summary.classes.iter().zip(&summary.per_class_accuracy) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {name:<width$} {} {:6.2} %", bar(*accuracy, BAR), 100.0 * accuracy);
        }
    }
    text
}
