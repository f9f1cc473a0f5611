//! Where traces go, as `--profile` has it for coordinator and worker alike.

use crate::arguments::yes_or_no;
use std::{convert::Infallible, path::PathBuf, str::FromStr};

/// Where traces go: a directory, or whether there are to be any, as it is said of anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Traces {
    /// Nowhere.
    Off,
    /// To the usual place.
    Usual,
    /// To this directory.
    To(PathBuf),
}

impl FromStr for Traces {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match yes_or_no(text) {
            Some(true) => Self::Usual,
            Some(false) => Self::Off,
            None => Self::To(PathBuf::from(text)),
        })
    }
}

impl Traces {
    /// The directory, where the usual one is `usual`; `None`: no traces are wanted.
    #[must_use]
    pub fn directory(&self, usual: PathBuf) -> Option<PathBuf> {
        match self {
            Self::Off => None,
            Self::Usual => Some(usual),
            Self::To(directory) => Some(directory.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_or_yes_or_no() {
        let directory = |text: &str| text.parse::<Traces>().map(|traces| traces.directory("usual".into()));
        assert_eq!(directory("yes"), Ok(Some("usual".into())));
        assert_eq!(directory("0"), Ok(None));
        assert_eq!(directory("traces"), Ok(Some("traces".into())));
    }
}
