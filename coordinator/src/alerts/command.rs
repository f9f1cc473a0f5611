//! A command: the shell runs it for each alert.

use super::note::Note;
use std::{
    io::Write,
    process::{Child, Command, ExitStatus, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// How long it may run.
const TIME: Duration = Duration::from_secs(30);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(20);

/// Runs `command`, with the alert as JSON on its standard input and its words in `COXSWAIN_ALERT`.
///
/// # Errors
/// If it cannot be started, fails, or takes too long, in words.
pub fn run(command: &str, note: &Note) -> Result<(), String> {
    let json = note.json()?;
    let mut child = Command::new("sh")
        .args(["-c", command])
        .env("COXSWAIN_ALERT", note.text())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    if let Some(mut stdin) = child.stdin.take() {
        // A pipe holds it, and a command that reads nothing needs nothing.
        let _ = stdin.write_all(json.as_bytes());
    }
    let status = wait(&mut child).map_err(|error| error.to_string())?;
    match status {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(format!("it ended with {status}")),
        None => Err(format!("it took longer than {} s", TIME.as_secs())),
    }
}

/// Its end; `None` if it had to be killed.
fn wait(child: &mut Child) -> std::io::Result<Option<ExitStatus>> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if began.elapsed() > TIME {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        sleep(LOOK);
    }
}
