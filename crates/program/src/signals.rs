//! Signals that ask a program to end.

use nix::{
    libc,
    sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction, signal},
};
use signal_hook::{
    consts::{SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU},
    iterator::Signals,
    low_level::signal_name,
};
use std::{
    future::{Future, pending},
    io, mem, ptr, thread,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// A second request counts as impatience only this long after the first. A signal that goes to a process and to its
/// group, as from `timeout`, or twice in a row, means one request.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// What shells add to a signal's number to get the exit code of a process that the signal ended.
const BY_SIGNAL: i32 = 128;

/// Signals that end a process unless it does something about them, and that somebody may send on purpose. Each is taken
/// for a request to stop:
///
/// | | sent by |
/// | --- | --- |
/// | SIGHUP | a terminal that closes |
/// | SIGINT, SIGQUIT | a person, with Ctrl-C and Ctrl-\ |
/// | SIGTERM | kill, timeout, service managers, containers |
/// | SIGUSR1, SIGUSR2, SIGXCPU | batch systems, before time is up |
/// | SIGPWR | a power supply that fails |
/// | SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGSTKFLT, the real-time ones | nobody without a reason; none is of use here |
///
/// Of the others that end a process:
///
/// | | why not |
/// | --- | --- |
/// | SIGKILL | it cannot be met |
/// | SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS | the process itself is broken: nothing that it holds is to be saved |
/// | SIGPIPE | is ignored: who writes is told |
/// | SIGXFSZ | is ignored: who writes is told, as of a full disk |
const REQUESTS: [i32; 13] = [
    SIGHUP,
    SIGINT,
    SIGQUIT,
    SIGTERM,
    SIGUSR1,
    SIGUSR2,
    SIGXCPU,
    libc::SIGPWR,
    SIGALRM,
    SIGVTALRM,
    SIGPROF,
    SIGIO,
    libc::SIGSTKFLT,
];

/// Taken for a request even if whoever started the program has it ignored. Shells do that to what scripts start in the
/// background, but who sends these signals means it.
const ALWAYS: [i32; 3] = [SIGINT, SIGQUIT, SIGTERM];

/// Stops this process as SIGTSTP does, also where it meets that signal itself. It returns when somebody has the process go on. Where
/// nobody could, it returns at once: the system passes over the signal then.
///
/// # Errors
/// If the system refuses.
pub fn suspend() -> io::Result<()> {
    let usual = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: the usual action runs no code of ours, and the one before is put back as it was.
    let before = unsafe { sigaction(Signal::SIGTSTP, &usual) }?;
    let stopped = raise(Signal::SIGTSTP);
    // SAFETY: it was in place until now.
    unsafe { sigaction(Signal::SIGTSTP, &before) }?;
    Ok(stopped?)
}

/// Meets signals from here on. The future ends with the first that asks the program to stop, and says which it was. A
/// second one, [`PATIENCE`] later or more, has what is `left` to do done at once, and ends the process.
///
/// # Errors
/// If the system refuses.
pub fn stop_request(left: impl FnOnce() + Send + 'static) -> io::Result<impl Future<Output = String> + Send + 'static> {
    // SAFETY: ignoring a signal installs no handler that could do anything wrong.
    unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }?;
    let real_time = libc::SIGRTMIN()..=libc::SIGRTMAX();
    let met: Vec<i32> = REQUESTS.into_iter().chain(real_time).filter(|number| is_to_be_met(*number)).collect();
    let mut signals = Signals::new(met)?;
    let (request, requested) = oneshot::channel();
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut signals = signals.forever();
        let Some(first) = signals.next() else { return };
        let since = Instant::now();
        // If nobody listens, the program is ending already.
        let _ = request.send(name(first));
        let Some(second) = signals.find(|_| since.elapsed() >= PATIENCE) else { return };
        left();
        // SAFETY: `_exit` takes any code; nothing of this process is needed after.
        unsafe { libc::_exit(BY_SIGNAL + second) }
    })?;
    Ok(async move {
        match requested.await {
            Ok(name) => name,
            // The thread lives as long as the process.
            Err(_) => pending().await,
        }
    })
}

/// Whether the signal would end the process. One that is ignored is left alone, as SIGHUP is under `nohup`. So is one
/// that something else in the process handles, such as a profiler.
fn is_to_be_met(number: i32) -> bool {
    if ALWAYS.contains(&number) {
        return true;
    }
    // SAFETY: all zeros is a valid value of this C struct.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: without a new action nothing changes; the old one is written to where there is room for it.
    let asked = unsafe { libc::sigaction(number, ptr::null(), &raw mut action) };
    asked == 0 && action.sa_sigaction == libc::SIG_DFL
}

/// The signal's name: `SIGTERM`, `SIGRTMIN+1`.
fn name(number: i32) -> String {
    match (signal_name(number), number - libc::SIGRTMIN()) {
        (Some(name), _) => name.to_owned(),
        (None, above @ 0..) => format!("SIGRTMIN+{above}"),
        (None, _) => Signal::try_from(number).map_or_else(|_| format!("signal {number}"), |signal| signal.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_one_has_its_name() {
        for number in REQUESTS {
            assert!(name(number).starts_with("SIG"), "{number}: {}", name(number));
        }
        assert_eq!(name(libc::SIGRTMIN() + 2), "SIGRTMIN+2");
        assert_eq!(name(libc::SIGSTKFLT), "SIGSTKFLT");
    }
}
