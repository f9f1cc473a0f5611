//! JSON as messages. Settings go over the wire so, with the names that they have in config.json.

use crate::v1::Run;
use prost_types::{ListValue, Struct, Value as Message, value::Kind};
use serde_json::{Map, Number, Value};

/// The largest whole number below which a 64-bit float holds all of them.
const EXACT: u64 = 1 << 53;

/// The message of a JSON object. Whole numbers that a 64-bit float does not hold become strings, as protobuf has it in its
/// own JSON.
#[must_use]
pub fn to_message(value: &Value) -> Struct {
    let fields = value.as_object().into_iter().flatten();
    Struct { fields: fields.map(|(name, value)| (name.clone(), message(value))).collect() }
}

/// The JSON object of a message.
#[must_use]
pub fn to_value(message: &Struct) -> Value {
    let fields = message.fields.iter().map(|(name, value)| (name.clone(), json(value)));
    Value::Object(fields.collect::<Map<_, _>>())
}

fn message(value: &Value) -> Message {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(yes) => Kind::BoolValue(*yes),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(values) => Kind::ListValue(ListValue { values: values.iter().map(message).collect() }),
        Value::Object(_) => Kind::StructValue(to_message(value)),
        Value::Number(number) => match (number.as_u64(), number.as_f64()) {
            (Some(whole), _) if whole > EXACT => Kind::StringValue(whole.to_string()),
            (_, Some(float)) => Kind::NumberValue(float),
            (_, None) => Kind::StringValue(number.to_string()),
        },
    };
    Message { kind: Some(kind) }
}

fn json(message: &Message) -> Value {
    match &message.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(yes)) => Value::Bool(*yes),
        Some(Kind::StringValue(text)) => Value::from(text.as_str()),
        Some(Kind::ListValue(list)) => list.values.iter().map(json).collect(),
        Some(Kind::StructValue(fields)) => to_value(fields),
        // A whole number has no point, as where it came from.
        Some(Kind::NumberValue(number)) if number.trunc() == *number && number.abs() <= EXACT as f64 => {
            if *number < 0.0 { Value::from(*number as i64) } else { Value::from(*number as u64) }
        }
        Some(Kind::NumberValue(number)) => Number::from_f64(*number).map_or_else(
            // JSON has no other word for it.
            || {
                Value::from(if number.is_nan() {
                    "NaN"
                } else if *number > 0.0 {
                    "Infinity"
                } else {
                    "-Infinity"
                })
            },
            Value::Number,
        ),
    }
}

impl Run {
    /// The number of epochs of its configuration; 0 if it tells of none.
    #[must_use]
    pub fn total_epochs(&self) -> u32 {
        match self.setting("epochs") {
            Some(Kind::NumberValue(epochs)) => *epochs as u32,
            _ => 0,
        }
    }

    /// The name of its model, if it tells of one.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        match self.setting("model") {
            Some(Kind::StringValue(model)) => Some(model),
            _ => None,
        }
    }

    fn setting(&self, name: &str) -> Option<&Kind> {
        self.config.as_ref()?.fields.get(name)?.kind.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_goes_over_the_wire_comes_back() {
        let value = json!({
            "batch_size": 128, "lr": 0.1, "whole": 3.0, "tiny": 1e-300, "yes": true, "none": null, "seed": EXACT,
            "schedule": {"kind": "multistep", "milestones": [8, 12], "gamma": -0.25},
        });
        let back = to_value(&to_message(&value));
        assert_eq!(back["whole"], 3, "without its point, which serde reads as a float too");
        for name in ["batch_size", "lr", "tiny", "yes", "none", "seed", "schedule"] {
            assert_eq!(back[name], value[name], "{name}");
        }
        assert_eq!(to_value(&to_message(&json!({"seed": u64::MAX})))["seed"], u64::MAX.to_string());
    }
}
