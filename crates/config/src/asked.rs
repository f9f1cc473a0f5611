//! What a command line, variables and a file ask for.

use crate::RunConfig;
use clap::{ArgMatches, Command, Error, FromArgMatches};
use settings::Given;

/// The settings that were asked for, as a part of a program's flags: `#[command(flatten)]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asked(pub Given);

impl Asked {
    /// Whether the setting of this field was given. Not for settings in groups.
    #[must_use]
    pub fn has(&self, field: &str) -> bool {
        self.0.values.get(field).is_some()
    }
}

impl FromArgMatches for Asked {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        Ok(Self(RunConfig::settings().given(matches, &RunConfig::default().values())))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::Args for Asked {
    fn augment_args(command: Command) -> Command {
        RunConfig::settings().augment(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use clap::{Args, error::ErrorKind};

    fn read(flags: &[&str]) -> Result<Asked, Error> {
        let command = Asked::augment_args(Command::new("run"));
        Asked::from_arg_matches(&command.try_get_matches_from(["run"].iter().chain(flags))?)
    }

    #[test]
    fn the_seed_and_the_rate_have_a_second_name() {
        for (flag, alias, value) in [("--seed", "--random-seed", "7"), ("--lr", "--learning-rate", "0.25")] {
            let asked = read(&[alias, value]).unwrap();
            assert_eq!(asked, read(&[flag, value]).unwrap(), "{alias}");
            assert_ne!(asked, read(&[]).unwrap(), "{alias}");
            let both = read(&[flag, value, alias, value]).unwrap_err();
            assert_eq!(both.kind(), ErrorKind::ArgumentConflict, "{alias}");
        }
    }
}
