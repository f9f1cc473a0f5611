//! Who goes first where processors are short.

/// What is added to the niceness of this thread.
#[cfg(target_os = "linux")]
const NICER: i32 = 10;

/// From now on this thread takes a processor only where training leaves one, but for a small part.
pub(crate) fn below_training() {
    #[cfg(target_os = "linux")]
    {
        use nix::libc::{PRIO_PROCESS, getpriority, setpriority};
        // SAFETY: both take numbers only. On Linux 0 is the calling thread. Niceness beyond the largest is the largest, and a
        // refusal leaves it as it was.
        unsafe { setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + NICER) };
    }
}
