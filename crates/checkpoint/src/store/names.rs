//! The names in a directory of checkpoints.
//!
//! A checkpoint is named `step-` and its number of steps done. While it is written, replaced or removed it has a hidden
//! name. So a checkpoint whose name is seen is always whole.

use std::{fmt, path::Path};

/// The file that names the newest checkpoint.
pub(super) const LATEST: &str = "latest";
/// The file that is about to replace it.
pub(super) const NEXT_LATEST: &str = ".latest.new";

const PREFIX: &str = "step-";

/// The name of a checkpoint after `steps_done` steps.
pub(super) fn after(steps_done: u64) -> String {
    format!("{PREFIX}{steps_done:08}")
}

/// Whether a name is that of a checkpoint, or looks like one to a person.
pub(super) fn is_one(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// Why a checkpoint has a hidden name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hidden {
    /// It is being written.
    New,
    /// A newer one is about to take its name.
    Old,
    /// It is being removed.
    Gone,
    /// It is imported, and has to be recorded first.
    Import,
}

impl Hidden {
    /// The hidden name of the checkpoint `name`.
    pub fn of(self, name: &str) -> String {
        format!(".{name}.{self}")
    }

    /// The checkpoint whose hidden name is `hidden`, and why it has one.
    pub fn parse(hidden: &str) -> Option<(&str, Self)> {
        let (name, why) = hidden.strip_prefix('.')?.rsplit_once('.')?;
        let why = [Self::New, Self::Old, Self::Gone, Self::Import].into_iter().find(|each| each.to_string() == why)?;
        is_one(name).then_some((name, why))
    }
}

impl fmt::Display for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Old => "old",
            Self::Gone => "gone",
            Self::Import => "import",
        })
    }
}

/// The first free name in `directory` for a checkpoint that loses the name `name` but is kept.
pub(super) fn kept(directory: &Path, name: &str) -> String {
    let (mut kept, mut number) = (format!("kept-{name}"), 1);
    while directory.join(&kept).symlink_metadata().is_ok() {
        number += 1;
        kept = format!("kept-{number}-{name}");
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_name_tells_whose_it_is() {
        let name = after(33);
        assert_eq!(name, "step-00000033");
        for why in [Hidden::New, Hidden::Old, Hidden::Gone, Hidden::Import] {
            assert_eq!(Hidden::parse(&why.of(&name)), Some((name.as_str(), why)));
        }
        for other in [".step-00000033", "step-00000033.new", ".latest.new", ".notes.old", ".step-00000033.bak"] {
            assert_eq!(Hidden::parse(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_kept_takes_no_name_that_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(kept(directory.path(), "step-1"), "kept-step-1");
        std::fs::write(directory.path().join("kept-step-1"), "").unwrap();
        assert_eq!(kept(directory.path(), "step-1"), "kept-2-step-1");
    }
}
