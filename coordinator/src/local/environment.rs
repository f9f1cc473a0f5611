//! What local workers inherit of the coordinator's environment.

use std::{env, ffi::OsStr};
use tokio::process::Command;

/// Variables of ours that go on to local workers: those that say something of workers in general. All others were meant
/// for the coordinator, or for a worker that somebody starts by hand.
const PASSED_ON: [&str; 8] = [
    "COXSWAIN_AS_GPU",
    "COXSWAIN_BACKEND",
    "COXSWAIN_FAULT",
    "COXSWAIN_GIVE_UP_AFTER",
    "COXSWAIN_INSTRUCTION_SET",
    "COXSWAIN_SHARED_MEMORY",
    "COXSWAIN_CACHE_DIR",
    "COXSWAIN_HOST",
];

/// Ours by their beginning.
const OURS: &str = "COXSWAIN_";

/// Ours too: a worker reads them as well. What a launcher left of them says nothing of workers that the coordinator starts.
const SHARED: [&str; 2] = ["COORDINATOR", "LOCAL_RANK"];

/// Local workers log what people should see, unless somebody says otherwise.
const LEVEL: (&str, &str) = ("RUST_LOG", "warn");

/// Takes away what does not go on to a local worker.
pub(super) fn prepare(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if !goes_on(&name) {
            command.env_remove(name);
        }
    }
    if program::variable(LEVEL.0).is_none() {
        command.env(LEVEL.0, LEVEL.1);
    }
}

fn goes_on(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return true };
    PASSED_ON.contains(&name) || !(name.starts_with(OURS) || SHARED.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_for_the_coordinator_stays_there() {
        for stays in
            ["COXSWAIN_MODEL", "COXSWAIN_PROFILE", "COXSWAIN_LOCAL", "COXSWAIN_NAME", "COORDINATOR", "LOCAL_RANK"]
        {
            assert!(!goes_on(OsStr::new(stays)), "{stays}");
        }
        for goes in ["COXSWAIN_FAULT", "COXSWAIN_GIVE_UP_AFTER", "PATH", "RUST_LOG", "OMP_NUM_THREADS"] {
            assert!(goes_on(OsStr::new(goes)), "{goes}");
        }
    }
}
