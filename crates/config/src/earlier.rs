//! Configurations that earlier versions wrote, in checkpoints and journals.

use crate::RunConfig;
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value, json};

/// Reads a configuration of this version or an earlier one.
///
/// # Errors
/// If it is neither.
pub fn of_any_version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RunConfig, D::Error> {
    let mut values = Value::deserialize(deserializer)?;
    if let Some(fields) = values.as_object_mut() {
        gather(fields);
    }
    serde_json::from_value(values).map_err(de::Error::custom)
}

/// A configuration of this version or an earlier one, to be read.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct AnyVersion(#[serde(deserialize_with = "of_any_version")] pub RunConfig);

/// Before there were groups, SGD's settings and the label smoothing were fields of the configuration.
fn gather(fields: &mut Map<String, Value>) {
    if !fields.contains_key("optimizer") {
        let mut sgd = json!({"kind": "sgd"});
        for name in ["momentum", "nesterov", "weight_decay"] {
            if let Some(value) = fields.remove(name) {
                sgd[name] = value;
            }
        }
        fields.insert("optimizer".to_owned(), sgd);
    }
    if !fields.contains_key("loss") {
        let smoothing = fields.remove("label_smoothing").unwrap_or_else(|| json!(0.0));
        fields.insert("loss".to_owned(), json!({"kind": "cross-entropy", "label_smoothing": smoothing}));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use learn::{Optimizer, Sgd};

    /// As version 0.1.0 wrote it.
    const EARLIER: &str = r#"{
        "model": "resnet20", "epochs": 20, "batch_size": 128, "shards": 2, "threads": 1, "seed": 0, "precision": "fp32",
        "reduction": "tree", "wire": "fp32", "lr": 0.4, "momentum": 0.9, "nesterov": true, "weight_decay": 0.00025,
        "label_smoothing": 0.1, "schedule": {"kind": "plateau", "factor": 0.5, "patience": 5, "min_lr": 1e-6,
        "threshold": 0.0001, "threshold_mode": "rel", "cooldown": 0, "eps": 1e-8, "mode": "min"},
        "train_samples": 50000, "test_samples": 10000
    }"#;

    #[test]
    fn an_earlier_configuration_means_what_it_meant() {
        let config = of_any_version(&mut serde_json::Deserializer::from_str(EARLIER)).unwrap();
        let sgd = Optimizer::Sgd(Sgd { momentum: 0.9, nesterov: true, weight_decay: 2.5e-4 });
        assert_eq!(config.optimizer, sgd);
        assert_eq!(config.values()["loss"]["label_smoothing"], 0.1);
        assert_eq!(config.dataset, importers::cifar10::spec());
        assert_eq!(config.augment.to_string(), "crop:4,flip");
        let same = config.values().to_string();
        assert_eq!(of_any_version(&mut serde_json::Deserializer::from_str(&same)).unwrap(), config);
    }

    #[test]
    fn what_is_of_no_version_is_refused() {
        let newer = EARLIER.replacen('{', "{\"colour\": \"red\",", 1);
        let error = of_any_version(&mut serde_json::Deserializer::from_str(&newer)).unwrap_err().to_string();
        assert!(error.starts_with("unknown field `colour`"), "{error}");
    }
}
