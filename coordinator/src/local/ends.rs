//! How processes of local workers end, and when it is useless to start another one.

use std::{fmt, io, os::unix::process::ExitStatusExt, process::ExitStatus};

/// How many ends in a row, before the worker could train, are too many. This is for causes that another attempt rarely
/// mends.
const FEW: u32 = 3;
/// The same for all other causes.
const SEVERAL: u32 = 6;

/// Exit codes of such causes: wrong usage, no such device, and a program that cannot be run. The last is what shells
/// and the system's loader report.
const NEVER: [i32; 4] = [2, 5, 126, 127];

/// Signals that somebody sends to end a process.
const SENT: [i32; 4] = [nix::libc::SIGHUP, nix::libc::SIGINT, nix::libc::SIGKILL, nix::libc::SIGTERM];

/// How a process ended.
#[derive(Debug)]
pub(super) enum End {
    /// The system reports this status.
    Status(ExitStatus),
    /// It was not even started.
    NotStarted(io::Error),
}

impl End {
    fn is_for_ever(&self) -> bool {
        match self {
            Self::Status(status) => status.code().is_some_and(|code| NEVER.contains(&code)),
            Self::NotStarted(error) => {
                matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
            }
        }
    }

    /// Whether somebody ended it on purpose.
    pub(super) fn is_sent(&self) -> bool {
        matches!(self, Self::Status(status) if status.signal().is_some_and(|signal| SENT.contains(&signal)))
    }

    /// Whether it ended by itself and well.
    pub(super) fn is_success(&self) -> bool {
        matches!(self, Self::Status(status) if status.success())
    }
}

impl fmt::Display for End {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => match status.code() {
                Some(code) => write!(formatter, "exit code {code}"),
                None => write!(formatter, "{status}"),
            },
            Self::NotStarted(error) => write!(formatter, "an error of the system: {error}"),
        }
    }
}

/// Counts how often in a row a worker ended before it could train.
#[derive(Debug, Default)]
pub(super) struct Ends(u32);

impl Ends {
    /// Counts an end. Returns whether it is useless to go on.
    pub(super) fn add(&mut self, end: &End, could_train: bool) -> bool {
        self.0 = if could_train { 0 } else { self.0 + 1 };
        self.0 >= if end.is_for_ever() { FEW } else { SEVERAL }
    }

    /// The number of ends in a row.
    pub(super) fn in_a_row(&self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(code: i32) -> End {
        End::Status(ExitStatus::from_raw(code << 8))
    }

    fn killed(signal: i32) -> End {
        End::Status(ExitStatus::from_raw(signal))
    }

    fn attempts(end: &End) -> u32 {
        let mut ends = Ends::default();
        (1..100).find(|_| ends.add(end, false)).unwrap()
    }

    #[test]
    fn what_can_never_work_is_tried_less_often() {
        assert_eq!([2, 5, 126, 127].map(|code| attempts(&exit(code))), [FEW; 4]);
        assert_eq!(attempts(&End::NotStarted(io::ErrorKind::NotFound.into())), FEW);
        assert_eq!([0, 3, 4, 6, 7].map(|code| attempts(&exit(code))), [SEVERAL; 5]);
        assert_eq!(attempts(&killed(9)), SEVERAL);
        assert_eq!(attempts(&End::NotStarted(io::ErrorKind::WouldBlock.into())), SEVERAL);
    }

    #[test]
    fn who_could_train_begins_anew() {
        let mut ends = Ends::default();
        for _ in 0..100 {
            assert!(!ends.add(&killed(9), true));
            assert!(!ends.add(&exit(2), false));
        }
    }

    #[test]
    fn ends_in_words() {
        assert_eq!(exit(127).to_string(), "exit code 127");
        assert_eq!(killed(9).to_string(), "signal: 9 (SIGKILL)");
    }
}
