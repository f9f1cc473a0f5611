//! What is not the same in two values.

use crate::{Settings, value::shown};
use serde_json::Value;
use std::fmt;

/// A setting in which two values differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The setting's flag, without dashes.
    pub name: String,
    /// In the first.
    pub before: String,
    /// In the second.
    pub now: String,
    /// Why the second cannot be taken over, where that is not plain.
    pub why: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} -> {}", self.name, self.before, self.now)?;
        self.why.as_ref().map_or(Ok(()), |why| write!(f, " ({why})"))
    }
}

impl Settings {
    /// The settings in which `now` differs from `before`. Of a group of another kind only the kind is told.
    #[must_use]
    pub fn differences(&self, before: &Value, now: &Value) -> Vec<Difference> {
        let mut differences = Vec::new();
        for setting in self.iter() {
            // Both have it: they are of one kind.
            let both = setting.places.iter().filter_map(|place| Some((place.value(before)?, place.value(now)?)));
            for (before, now) in both.filter(|(before, now)| before != now) {
                let (name, before, now) = (setting.flag.clone(), shown(before), shown(now));
                differences.push(Difference { name, before, now, why: None });
            }
        }
        differences
    }
}
