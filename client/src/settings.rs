//! The settings of a run by their names.

use proto::v1::Run;
use serde_json::Value;
use std::collections::BTreeMap;

/// All settings of `run`. Names of groups are joined by dots: `schedule.kind`. Lists are one value.
#[must_use]
pub fn flat(run: &Run) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    if let Some(config) = &run.config {
        add(&mut all, "", proto::to_value(config));
    }
    all
}

fn add(to: &mut BTreeMap<String, Value>, name: &str, value: Value) {
    match value {
        Value::Object(group) if !group.is_empty() => {
            for (key, value) in group {
                let name = if name.is_empty() { key } else { format!("{name}.{key}") };
                add(to, &name, value);
            }
        }
        value => {
            to.insert(name.to_owned(), value);
        }
    }
}

/// The names of the classes of the data set; none if the settings do not tell.
#[must_use]
pub fn classes(run: &Run) -> Vec<String> {
    let config = run.config.as_ref().map(proto::to_value).unwrap_or_default();
    let classes = config.pointer("/dataset/classes").and_then(Value::as_array).cloned().unwrap_or_default();
    classes.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn groups_are_joined_by_dots() {
        let config = json!({"lr": 0.1, "schedule": {"kind": "plateau"}, "dataset": {"classes": ["cat", "dog"]}});
        let run = Run { config: Some(proto::to_message(&config)), ..Run::default() };
        let flat = flat(&run);
        let names: Vec<&str> = flat.keys().map(String::as_str).collect();
        assert_eq!(names, ["dataset.classes", "lr", "schedule.kind"]);
        assert_eq!(flat["schedule.kind"], "plateau");
        assert_eq!(classes(&run), ["cat", "dog"]);
        assert!(classes(&Run::default()).is_empty());
    }
}
