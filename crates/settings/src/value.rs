//! What a setting can be, and from text to a value.

use serde_json::{Number, Value};
use std::{
    fmt::{self, Write},
    str::FromStr,
};

/// What a setting can be.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// Yes or no.
    Bool,
    /// A count of 32 bits.
    U32,
    /// A number of 64 bits without a sign.
    U64,
    /// A 64-bit float that is a number.
    Float,
    /// Any text.
    Text,
    /// One of these names, with what each means.
    Choice(Vec<(String, String)>),
    /// Several, separated by commas.
    List(Box<Type>),
}

impl Type {
    /// What `schema` describes; `None` if no flag could hold it.
    pub(crate) fn of(schema: &Value) -> Option<Self> {
        if let Some(names) = choices(schema) {
            return Some(Self::Choice(names));
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").unwrap_or(&Value::Null),
            kind => kind,
        };
        Some(match (kind.as_str(), schema["format"].as_str()) {
            (Some("boolean"), _) => Self::Bool,
            (Some("integer"), Some("uint32")) => Self::U32,
            (Some("integer"), Some("uint64")) => Self::U64,
            (Some("number"), Some("double")) => Self::Float,
            (Some("string"), _) => Self::Text,
            (Some("array"), _) => Self::List(Box::new(Self::of(&schema["items"])?)),
            // A group: its flag names the kind.
            _ if schema["oneOf"].is_array() => Self::Text,
            _ => return None,
        })
    }

    /// The value that `text` means.
    ///
    /// # Errors
    /// If it means none, in words.
    pub fn parse(&self, text: &str) -> Result<Value, String> {
        fn whole<T: FromStr>(text: &str) -> Result<T, String> {
            let bits = 8 * size_of::<T>();
            text.parse().map_err(|_| format!("it has to be a whole number of at least 0 and below 2^{bits}"))
        }
        match self {
            Self::Bool => text.parse().map(Value::Bool).map_err(|_| "it has to be true or false".to_owned()),
            Self::U32 => whole::<u32>(text).map(Value::from),
            Self::U64 => whole::<u64>(text).map(Value::from),
            Self::Float => {
                // JSON has no word for what is not finite. As text it is in no range.
                let number = text.parse().map_err(|_| "it has to be a number, such as 0.1".to_owned())?;
                Ok(Number::from_f64(number).map_or_else(|| Value::from(text), Value::Number))
            }
            Self::Text => Ok(Value::from(text)),
            Self::Choice(names) if names.iter().any(|(name, _)| name == text) => Ok(Value::from(text)),
            Self::Choice(names) => {
                let names: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
                Err(format!("it is none of {}", names.join(", ")))
            }
            Self::List(each) => text.split(',').map(|text| each.parse(text.trim())).collect(),
        }
    }
}

/// The names of an enum without fields, with their words.
fn choices(schema: &Value) -> Option<Vec<(String, String)>> {
    let plain = schema["enum"].as_array().map(|names| names.iter().map(|name| (name, "")).collect::<Vec<_>>());
    let told = || {
        let kinds = schema["oneOf"].as_array()?.iter();
        let told: Vec<(&Value, &str)> =
            kinds.map(|kind| (&kind["const"], kind["description"].as_str().unwrap_or_default())).collect();
        told.iter().all(|(name, _)| name.is_string()).then_some(told)
    };
    let names = plain.or_else(told)?;
    names.into_iter().map(|(name, words)| Some((name.as_str()?.to_owned(), words.to_owned()))).collect()
}

/// What a number has to lie between.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bounds {
    /// The lowest number that is allowed.
    pub least: Option<f64>,
    /// What it has to be above.
    pub above: Option<f64>,
    /// The highest number that is allowed.
    pub most: Option<f64>,
    /// What it has to be below.
    pub below: Option<f64>,
}

impl Bounds {
    pub(crate) fn of(schema: &Value, value: &Type) -> Self {
        let bound = |key: &str| schema[key].as_f64();
        // What every number of the type fulfils is no bound.
        let least = bound("minimum").filter(|least| *least != 0.0 || *value == Type::Float);
        let most = bound("maximum").filter(|most| *most != f64::from(u32::MAX) || *value != Type::U32);
        Self { least, above: bound("exclusiveMinimum"), most, below: bound("exclusiveMaximum") }
    }

    /// Whether there is no bound.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// Whether `number` lies between them.
    #[must_use]
    pub fn holds(&self, number: f64) -> bool {
        self.least.is_none_or(|least| number >= least)
            && self.above.is_none_or(|above| number > above)
            && self.most.is_none_or(|most| number <= most)
            && self.below.is_none_or(|below| number < below)
    }
}

impl fmt::Display for Bounds {
    /// "at least 0 and below 1".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bounds = [("at least", self.least), ("above", self.above), ("at most", self.most), ("below", self.below)];
        let mut before = "";
        for (word, bound) in bounds.into_iter().filter_map(|(word, bound)| Some((word, bound?))) {
            f.write_str(before)?;
            write!(f, "{word} {}", Short(bound))?;
            before = " and ";
        }
        Ok(())
    }
}

/// A number in as few letters as it can be.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut plain = String::new();
        write!(plain, "{}", self.0)?;
        if plain.len() > 12 { write!(f, "{:e}", self.0) } else { f.write_str(&plain) }
    }
}

/// A value as a person would type it.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(","),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => float.to_string(),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_becomes_a_value_or_is_refused() {
        assert_eq!(Type::Float.parse("1e-6"), Ok(json!(1e-6)));
        assert_eq!(Type::List(Box::new(Type::U32)).parse("8, 12"), Ok(json!([8, 12])));
        assert_eq!(Type::U64.parse("18446744073709551615"), Ok(json!(u64::MAX)));
        for (kind, text) in [(Type::Float, "x"), (Type::U32, "-1"), (Type::U32, "4294967296"), (Type::Bool, "2")] {
            assert!(kind.parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bounds_are_told_in_words() {
        let bounds = Bounds { least: Some(0.0), below: Some(1.0), ..Bounds::default() };
        assert_eq!(bounds.to_string(), "at least 0 and below 1");
        assert!(bounds.holds(0.0) && !bounds.holds(1.0) && !bounds.holds(f64::NAN));
        let bounds = Bounds { above: Some(0.0), most: Some(f64::from(f32::MAX)), ..Bounds::default() };
        assert_eq!(bounds.to_string(), "above 0 and at most 3.4028234663852886e38");
    }
}
