//! Standard streams that libraries write to as they like, from any thread.

use nix::{
    libc,
    sys::stat::{SFlag, fstat},
    unistd::{dup2_stderr, dup2_stdout},
};
use std::{
    fs::{File, OpenOptions},
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
};

/// Makes writes to standard output and standard error never block, if those are a terminal or a pipe. What cannot be
/// written at once is lost. Otherwise a library in C++ that complains in the middle of a step would hold the step up.
/// Returns standard error as it was, for those that can wait.
///
/// # Errors
/// If there are no descriptors left.
pub fn unblock() -> io::Result<File> {
    let (stdout, stderr) = (io::stdout(), io::stderr());
    let waiting = File::from(stderr.as_fd().try_clone_to_owned()?);
    if let Some(free) = without_waiting(stdout.as_fd()) {
        dup2_stdout(free)?;
    }
    if let Some(free) = without_waiting(stderr.as_fd()) {
        dup2_stderr(free)?;
    }
    Ok(waiting)
}

/// The same stream, opened anew. Otherwise the flag not to wait would hold for everybody who has the stream. It is
/// `None` if the stream cannot be opened, or is neither a terminal nor a pipe.
fn without_waiting(stream: BorrowedFd<'_>) -> Option<OwnedFd> {
    let kind = SFlag::from_bits_truncate(fstat(stream).ok()?.st_mode) & SFlag::S_IFMT;
    if kind != SFlag::S_IFIFO && kind != SFlag::S_IFCHR {
        return None;
    }
    let again = format!("/proc/self/fd/{}", stream.as_raw_fd());
    let opened = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(again);
    opened.ok().map(OwnedFd::from)
}
