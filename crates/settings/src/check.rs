//! Ranges.

use crate::{KIND, Place, Settings, Type, value::shown};
use serde_json::Value;
use std::fmt;
use thiserror::Error;

/// A value that a setting cannot have.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("--{flag} {value} is impossible: {why}")]
pub struct Impossible {
    /// The flag, without dashes.
    pub flag: String,
    /// What it was given.
    pub value: String,
    /// What it has to be.
    pub why: String,
}

impl Impossible {
    /// `value` for `flag`.
    pub fn new(flag: &str, value: impl fmt::Display, why: impl Into<String>) -> Self {
        Self { flag: flag.to_owned(), value: value.to_string(), why: why.into() }
    }
}

impl Settings {
    /// Holds the numbers of `values`, the JSON of the type, against their ranges.
    ///
    /// # Errors
    /// The first that is outside.
    pub fn check(&self, values: &Value) -> Result<(), Impossible> {
        for setting in self.iter().filter(|setting| !setting.bounds.is_open()) {
            let given = setting.places.iter().filter_map(|place| place.value(values));
            for value in given.filter(|value| !(setting.optional && value.is_null())) {
                // JSON has no word for what is no number.
                let number = if value.is_null() { f64::NAN } else { value.as_f64().unwrap_or(f64::NAN) };
                if !setting.bounds.holds(number) {
                    let kind = if setting.value == Type::Float { "a number " } else { "" };
                    let why = format!("it has to be {kind}{}", setting.bounds);
                    let value = if value.is_null() { "NaN".to_owned() } else { shown(value) };
                    return Err(Impossible { flag: setting.flag.clone(), value, why });
                }
            }
        }
        Ok(())
    }
}

impl Place {
    /// The value at this place of `values`; `None` if their group is of another kind.
    #[must_use]
    pub fn value<'a>(&self, values: &'a Value) -> Option<&'a Value> {
        let group = match &self.group {
            Some(group) => values.get(group)?,
            None => values,
        };
        if self.of.as_ref().is_some_and(|of| group[KIND] != **of) {
            return None;
        }
        group.get(&self.field)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use crate::Settings;
    use schemars::JsonSchema;
    use serde_json::json;

    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "its declaration is what counts")]
    struct Bath {
        /// Degrees of the water.
        #[schemars(range(min = 0.0, max = 45.0))]
        degrees: Option<f64>,
        /// How long one stays.
        #[schemars(range(min = 1))]
        minutes: Option<u32>,
        /// Drops of oil.
        #[schemars(range(max = 4_294_967_295_u64))]
        drops: u64,
    }

    #[test]
    fn what_may_be_missing_has_a_range_all_the_same() {
        let settings = Settings::of::<Bath>();
        let refused = |degrees: serde_json::Value, minutes: serde_json::Value, drops: u64| {
            let checked = settings.check(&json!({"degrees": degrees, "minutes": minutes, "drops": drops}));
            checked.err().map(|error| error.flag)
        };
        assert_eq!(refused(json!(null), json!(null), 3), None);
        assert_eq!(refused(json!(-1.0), json!(null), 3).unwrap(), "degrees");
        assert_eq!(refused(json!(38.0), json!(0), 3).unwrap(), "minutes");
        assert_eq!(refused(json!(38.0), json!(9), 1 << 32).unwrap(), "drops");
    }
}
