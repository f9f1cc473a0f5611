//! Namespaces of a test's own. The test runs itself once more inside. Nobody outside sees what it does there, and all of it
//! is gone with the process.

use std::{
    env,
    io::{self, Write},
    process::Command,
};

/// Says to a test that it runs inside.
const INSIDE: &str = "COXSWAIN_INSIDE_NAMESPACE";

/// Whether this process is inside `namespaces` (flags of `unshare`). Outside of them it runs `test`, a test of this
/// program, inside: then there is nothing more to do. Where `probe`, a line for the shell, fails inside, the test is
/// skipped, and says so.
///
/// # Panics
/// If `test` fails inside.
pub(crate) fn enter(test: &str, namespaces: &[&str], probe: &str) -> bool {
    if env::var_os(INSIDE).is_some() {
        return true;
    }
    let possible = Command::new("unshare").args(namespaces).args(["sh", "-c", probe]).output();
    let why = match possible {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(format!("unshare: {error}")),
    };
    if let Some(why) = why {
        // Past the capture of a passing test's output: that it did not run has to be seen.
        let _ = writeln!(io::stderr(), "SKIPPED {test}: it needs namespaces that cannot be made here: {why}");
        return false;
    }
    let program = env::current_exe().expect("this program has a path");
    let mut inside = Command::new("unshare");
    inside.args(namespaces).arg(program).args(["--exact", test, "--nocapture"]).env(INSIDE, "1");
    let status = inside.status().expect("unshare was there just now");
    assert!(status.success(), "{test} failed inside its namespace");
    false
}

/// Runs a program with arguments that have no spaces in them.
///
/// # Panics
/// If it fails.
pub(crate) fn run(program: &str, arguments: &str) {
    let output = Command::new(program).args(arguments.split(' ')).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}
