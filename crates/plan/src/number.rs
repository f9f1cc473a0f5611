//! Numbers in JSON, which has no word for NaN and infinity.
//!
//! They become the strings `"NaN"`, `"Infinity"` and `"-Infinity"`, as in protobuf's JSON. Strict parsers read them.
//! Python's `float` and JavaScript's `Number` make of them what they are. Every float that goes to JSON goes through
//! here: `#[serde(with = "plan::number")]`, [`optional`], [`list`] or [`Number`]. Without it serde_json writes `null`,
//! which it then does not read as a number.
//!
//! Where a number has to be, `null` is read as NaN, as earlier versions wrote it.

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor},
};
use std::fmt;

/// A number that is written as JSON has it, or as a string where that has none.
#[derive(Debug, Clone, Copy)]
pub struct Number<T>(pub T);

/// What stands for a number that JSON does not have.
fn word(number: f64) -> Option<&'static str> {
    match number {
        number if number.is_nan() => Some("NaN"),
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        _ => None,
    }
}

impl Serialize for Number<f64> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match word(self.0) {
            Some(word) => serializer.serialize_str(word),
            None => serializer.serialize_f64(self.0),
        }
    }
}

impl Serialize for Number<f32> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match word(self.0.into()) {
            Some(word) => serializer.serialize_str(word),
            None => serializer.serialize_f32(self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Number<f64> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = f64;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, \"NaN\", \"Infinity\" or \"-Infinity\"")
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<f64, E> {
                Ok(number)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<f64, E> {
                Ok(number as f64)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<f64, E> {
                Ok(number as f64)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<f64, E> {
                match text {
                    "NaN" => Ok(f64::NAN),
                    "Infinity" => Ok(f64::INFINITY),
                    "-Infinity" => Ok(f64::NEG_INFINITY),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_unit<E: de::Error>(self) -> Result<f64, E> {
                Ok(f64::NAN)
            }
        }
        deserializer.deserialize_any(Reader).map(Self)
    }
}

/// Writes a number.
///
/// # Errors
/// If the serializer fails.
pub fn serialize<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    Number(*number).serialize(serializer)
}

/// Reads a number.
///
/// # Errors
/// If there is no number.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Number::deserialize(deserializer).map(|Number(number)| number)
}

/// A number that may be absent: `null` then.
pub mod optional {
    use super::{Deserialize, Deserializer, Number, Serialize, Serializer};

    /// Writes a number or `null`.
    ///
    /// # Errors
    /// If the serializer fails.
    pub fn serialize<S: Serializer>(number: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        number.map(Number).serialize(serializer)
    }

    /// Reads a number or `null`.
    ///
    /// # Errors
    /// If there is neither.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
        Ok(Option::<Number<f64>>::deserialize(deserializer)?.map(|Number(number)| number))
    }
}

/// Numbers in a row.
pub mod list {
    use super::{Number, Serializer};

    /// Writes the numbers.
    ///
    /// # Errors
    /// If the serializer fails.
    pub fn serialize<S: Serializer>(numbers: impl AsRef<[f64]>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(numbers.as_ref().iter().copied().map(Number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Serialize, Deserialize)]
    struct Figures {
        #[serde(with = "super")]
        number: f64,
        #[serde(with = "super::optional")]
        optional: Option<f64>,
    }

    #[derive(Serialize)]
    struct List<'a> {
        #[serde(with = "super::list")]
        owned: Vec<f64>,
        #[serde(with = "super::list")]
        borrowed: &'a [f64],
    }

    proptest! {
        /// Every `f64` there is.
        #[test]
        fn every_number_survives_json(bits in any::<u64>()) {
            survives(f64::from_bits(bits));
        }
    }

    fn survives(number: f64) {
        let json = serde_json::to_string(&Figures { number, optional: Some(number) }).unwrap();
        let read: Figures = serde_json::from_str(&json).unwrap();
        for found in [Some(read.number), read.optional] {
            let found = found.unwrap();
            assert!(found.to_bits() == number.to_bits() || (found.is_nan() && number.is_nan()), "{number} in {json}");
        }
        // No finite number becomes a word, and no other one something else.
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["number"].is_number(), number.is_finite(), "{json}");
        assert_eq!(value["number"].is_string(), !number.is_finite(), "{json}");
    }

    #[test]
    fn those_at_the_edges_survive_too() {
        for number in [f64::NAN, f64::INFINITY, 0.0, f64::MIN_POSITIVE, 5e-324, f64::MAX, 0.1 + 0.2, 1e300] {
            survives(number);
            survives(-number);
        }
    }

    #[test]
    fn what_scripts_see() {
        let figures = |number, optional| serde_json::to_string(&Figures { number, optional }).unwrap();
        assert_eq!(figures(0.5, None), r#"{"number":0.5,"optional":null}"#);
        assert_eq!(figures(f64::NAN, Some(f64::INFINITY)), r#"{"number":"NaN","optional":"Infinity"}"#);
        let list = List { owned: vec![1.0, f64::NAN], borrowed: &[f64::NEG_INFINITY] };
        assert_eq!(serde_json::to_string(&list).unwrap(), r#"{"owned":[1.0,"NaN"],"borrowed":["-Infinity"]}"#);
        assert_eq!(serde_json::to_string(&[Number(0.05_f32), Number(f32::NAN)]).unwrap(), r#"[0.05,"NaN"]"#);
    }

    #[test]
    fn what_earlier_versions_wrote_is_read_and_what_is_no_number_is_not() {
        let read = |json: &str| serde_json::from_str::<Figures>(json);
        let old = read(r#"{"number":null,"optional":null}"#).unwrap();
        assert!(old.number.is_nan() && old.optional.is_none());
        assert_eq!(read(r#"{"number":3,"optional":-4}"#).map(|f| (f.number, f.optional)).unwrap(), (3.0, Some(-4.0)));
        let error = read(r#"{"number":"many","optional":null}"#).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(r#"invalid value: string "many", expected a number, "NaN""#), "{error}");
        assert!(read(r#"{"optional":null}"#).is_err(), "no default stands in for what is missing");
    }
}
