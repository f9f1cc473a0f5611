//! What a person at the terminal sees: a bar while it works, the article's line after each epoch, a table in the end.

use crate::summary::Summary;
use indicatif::{ProgressBar, ProgressStyle};
use proto::v1::{self, RunState};
use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write},
    path::Path,
    time::Duration,
};
use steering::EpochRecord;

/// The terminal of a run.
#[derive(Debug, Clone)]
pub struct Display {
    /// Only on a terminal.
    bar: Option<ProgressBar>,
}

impl Display {
    /// A bar if standard error is a terminal, plain lines else.
    #[must_use]
    pub fn new() -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(1);
            bar.set_style(
                ProgressStyle::with_template("{prefix} {bar:32.green/dim} {pos:>4}/{len} {msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar
        });
        Self { bar }
    }

    /// The run as it stands.
    pub fn progress(&self, run: &v1::Run) {
        let Some(bar) = &self.bar else { return };
        let epochs = run.config.as_ref().map_or(0, |config| config.epochs);
        bar.set_prefix(format!("Epoch [{:3}/{epochs:3}]", run.epoch + 1));
        bar.set_length(u64::from(run.steps_per_epoch));
        bar.set_position(u64::from(run.step));
        let training = run.state() == RunState::Training;
        bar.set_message(match (run.train_loss, run.train_accuracy) {
            (Some(loss), Some(accuracy)) if training => format!(
                "loss {loss:.4}  acc {:.2}%  {:.0} img/s  {} left",
                100.0 * accuracy,
                run.images_per_second,
                run.seconds_left.map_or_else(|| "?".to_owned(), duration),
            ),
            _ => run.reason.clone(),
        });
    }

    /// An epoch that is done.
    pub fn epoch(&self, record: &EpochRecord, epochs: u32) {
        self.print(&format!(
            "Epoch [{:3}/{epochs:3}]  Train Loss:{:.4}  Train Acc:{:.2}%  Test Loss:{:.4}  Test Acc:{:.2}%  \
             Learning Rate:{:.6}  Time {}",
            record.epoch + 1,
            record.train_loss,
            100.0 * record.train_accuracy,
            record.test_loss,
            100.0 * record.test_accuracy,
            record.lr,
            duration(record.seconds),
        ));
    }

    /// The end of the run.
    pub fn end(&self, summary: &Summary, run_dir: &Path) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.print(&table(summary, run_dir));
    }

    /// The end of a run that was over before it began.
    pub fn over(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.print(text);
    }

    /// Prints to standard output, above the bar.
    fn print(&self, text: &str) {
        let print = || {
            // A closed pipe is no reason to stop training.
            let _ = writeln!(io::stdout(), "{text}");
        };
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Where log lines go: standard error, above the bar.
    #[must_use]
    pub fn log_writer(&self) -> LogWriter {
        LogWriter { bar: self.bar.clone() }
    }
}

impl Default for Display {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes log lines above the bar.
#[derive(Debug, Clone)]
pub struct LogWriter {
    bar: Option<ProgressBar>,
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match &self.bar {
            Some(bar) => bar.suspend(|| io::stderr().write(line)),
            None => io::stderr().write(line),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// A time for people: `1h02m`, `3m07s`, `9.1s`.
fn duration(seconds: f64) -> String {
    let whole = Duration::from_secs_f64(seconds.clamp(0.0, 1e9)).as_secs();
    match whole {
        3600.. => format!("{}h{:02}m", whole / 3600, whole / 60 % 60),
        60.. => format!("{}m{:02}s", whole / 60, whole % 60),
        _ => format!("{seconds:.1}s"),
    }
}

/// The end of a run as a table.
fn table(summary: &Summary, run_dir: &Path) -> String {
    const BAR: usize = 40;
    let percent = |fraction: f64| format!("{:.2} %", 100.0 * fraction);
    let row = |name: &str, value: String| format!("  {name:<18} {value}\n");
    let mut text = format!("\n{} {}: {}\n\n", summary.model, summary.state, summary.reason);
    if let (Some(accuracy), Some(loss)) = (summary.test_accuracy, summary.test_loss) {
        text += &row("test accuracy", percent(accuracy));
        text += &row("test loss", format!("{loss:.4}"));
    }
    if let (Some(best), Some(name)) = (summary.best_accuracy, &summary.best_checkpoint) {
        text += &row("best", format!("{} ({name})", percent(best)));
    }
    text += &row("epochs", format!("{} ({} steps)", summary.epochs, summary.steps));
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
        for (name, accuracy) in cifar::CLASS_NAMES.iter().zip(&summary.per_class_accuracy) {
            let filled = (accuracy * BAR as f64).round() as usize;
            let bar = format!("{}{}", "█".repeat(filled), "░".repeat(BAR - filled.min(BAR)));
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {name:<12} {bar} {:6.2} %", 100.0 * accuracy);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_for_people() {
        assert_eq!([9.14, 187.0, 3725.0].map(duration), ["9.1s", "3m07s", "1h02m"]);
    }
}
