//! The flags of a run, as a value.

use crate::{Coordinator, Ended};
use std::{ops::Deref, path::Path};

/// The flags of a run. It can stand where a coordinator's flags can. What is set later replaces what was set before.
///
/// ```no_run
/// # use std::path::Path;
/// use system_tests::TestRun;
///
/// let ended = TestRun::small().local(2).epochs(3).ended(Path::new("run"));
/// ```
#[derive(Debug, Clone)]
pub struct TestRun<'a> {
    flags: Vec<&'a str>,
}

impl<'a> TestRun<'a> {
    /// Three epochs of ten steps and a small one, in two shards.
    #[must_use]
    pub fn small() -> Self {
        Self { flags: Vec::new() }.with(&["--batch-size", "64"]).images(650, 300).epochs(3).shards(2)
    }

    /// As [`Self::small`], with a plateau that has something to decide after each epoch.
    #[must_use]
    pub fn three_epochs() -> Self {
        Self::small().with(&["--plateau-patience", "0", "--plateau-factor", "0.3"])
    }

    /// With so many workers on this machine, which the coordinator starts itself.
    #[must_use]
    pub fn local(self, workers: usize) -> Self {
        self.workers(workers).with(&["--local"])
    }

    /// With so many workers, which the test starts.
    #[must_use]
    pub fn workers(self, workers: usize) -> Self {
        self.number("--workers", workers)
    }

    /// With so many epochs.
    #[must_use]
    pub fn epochs(self, epochs: usize) -> Self {
        self.number("--epochs", epochs)
    }

    /// With more epochs than any test takes, on a machine of any speed: the test ends it.
    #[must_use]
    pub fn endless(self) -> Self {
        self.epochs(100_000)
    }

    /// With so many shards.
    #[must_use]
    pub fn shards(self, shards: usize) -> Self {
        self.number("--shards", shards)
    }

    /// With so many images of the training set, and of the test set.
    #[must_use]
    pub fn images(self, train: usize, test: usize) -> Self {
        self.number("--limit-train", train).number("--limit-test", test)
    }

    /// With `flags`, whose values follow them.
    #[must_use]
    pub fn with(mut self, flags: &[&'a str]) -> Self {
        for flag in flags.iter().filter(|flag| flag.starts_with("--")) {
            self = self.without(flag);
        }
        self.flags.extend_from_slice(flags);
        self
    }

    /// Without a flag, and so with its default.
    #[must_use]
    pub fn without(mut self, flag: &str) -> Self {
        if let Some(at) = self.flags.iter().position(|set| *set == flag) {
            let values = self.flags[at + 1..].iter().take_while(|value| !value.starts_with("--")).count();
            self.flags.drain(at..=at + values);
        }
        self
    }

    /// A test sets few numbers and ends soon: their digits may stay in memory.
    fn number(self, flag: &'a str, value: usize) -> Self {
        self.with(&[flag, value.to_string().leak()])
    }

    /// Starts a coordinator.
    ///
    /// # Panics
    /// As [`Coordinator::start`].
    #[must_use]
    pub fn start(&self, run_dir: &Path) -> Coordinator {
        Coordinator::start(run_dir, self)
    }

    /// Starts a coordinator, and waits until it has ended well.
    ///
    /// # Panics
    /// If it does not.
    #[must_use]
    pub fn ended(&self, run_dir: &Path) -> Ended {
        self.start(run_dir).wait().well()
    }
}

impl<'a> Deref for TestRun<'a> {
    type Target = [&'a str];

    fn deref(&self) -> &[&'a str] {
        &self.flags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_later_replaces_what_was_set_before() {
        let run = TestRun::small().local(2).with(&["--epochs", "7", "--serve"]).shards(4).without("--batch-size");
        let expected = ["--limit-train", "650", "--limit-test", "300", "--workers", "2", "--local", "--epochs", "7"];
        assert_eq!(run[..], [&expected[..], &["--serve", "--shards", "4"]].concat()[..]);
    }
}
