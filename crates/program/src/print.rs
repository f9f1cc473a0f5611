//! Words on the standard streams, whatever is at their other end.

use crate::{Outlet, text};
use std::{
    fmt::Display,
    io::{self, Write},
    time::Duration,
};

/// How long an end waits for its last words to be written, where a terminal is blocked.
pub const FAREWELL: Duration = Duration::from_secs(1);

/// Prints `text`, which ends its last line itself, to standard output. A reader that has gone away, as `head` does, wants
/// no more: that is no failure.
///
/// # Errors
/// If it cannot be written.
pub fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Says `message` on standard error, as `program`. Where it is closed, full or blocked, nobody hears it, and the program
/// goes on.
pub fn say(program: &str, message: &dyn Display) {
    write_soon(line(program, message));
}

/// `message` as `program` says it.
pub(crate) fn line(program: &str, message: &dyn Display) -> String {
    format!("{program}: {}\n", text::lines(&message.to_string()))
}

/// Writes to standard error, and does not wait for it longer than [`FAREWELL`].
pub(crate) fn write_soon(text: String) {
    // Without a thread there is no way to say it.
    let Ok(outlet) = Outlet::start("last words", |_| {}) else { return };
    outlet.push(move || {
        // Closed or full: there is no other place to say it.
        let _ = io::stderr().write_all(text.as_bytes());
    });
    outlet.finish(FAREWELL);
}
