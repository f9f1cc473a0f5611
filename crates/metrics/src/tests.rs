use super::*;
use chronicle::Fact;
use proto::v1::{Epoch, RunState, Worker};
use serde_json::json;
use std::collections::BTreeSet;
use steering::Recovery;

fn run() -> Run {
    Run {
        id: "r\"1\n".to_owned(),
        state: RunState::Training.into(),
        epoch: 2,
        train_loss: Some(f64::NAN),
        epochs: vec![Epoch { test_accuracy: 0.75, test_loss: 0.5, ..Epoch::default() }],
        workers: vec![
            Worker { name: "a".to_owned(), rank: Some(0), compute_seconds: 0.25, ..Worker::default() },
            Worker { name: "b".to_owned(), preparing: true, back_in_seconds: Some(3.0), ..Worker::default() },
        ],
        config: Some(proto::to_message(&json!({"model": "resnet20"}))),
        ..Run::default()
    }
}

fn line<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(start))
}

#[test]
fn the_run_its_workers_and_its_past() {
    let mut chronicle = Chronicle::default();
    let recovery = Recovery { kind: "a lost".to_owned(), detected_ms: 5, resumed_ms: None, generation: 2 };
    chronicle.add(1.0, Fact::Recovery(recovery));
    let text = text(&run(), &chronicle);
    let value = |start: &str| line(&text, start).unwrap_or_else(|| panic!("no {start} in\n{text}")).trim();
    assert_eq!(value("coxswain_run_state{state=\"training\"}"), "1.0");
    assert_eq!(value("coxswain_run_state{state=\"failed\"}"), "0.0");
    assert_eq!(value("coxswain_train_loss "), "NaN");
    assert_eq!(value("coxswain_test_accuracy_ratio "), "0.75");
    assert_eq!(value("coxswain_workers{role=\"member\"}"), "1.0");
    assert_eq!(value("coxswain_workers{role=\"set_aside\"}"), "1.0");
    assert_eq!(value("coxswain_worker_step_compute_seconds{worker=\"a\"}"), "0.25");
    assert_eq!(value("coxswain_recoveries_total "), "1");
    assert_eq!(line(&text, "coxswain_best_accuracy_ratio "), None, "what is not known is left out");
    assert!(text.contains(r#"coxswain_run_info{run_id="r\"1\n",model="resnet20"} 1"#), "{text}");
}

#[test]
fn every_metric_has_a_type_and_a_help_text_and_a_name_by_the_conventions() {
    let text = text(&run(), &Chronicle::default());
    assert!(text.ends_with("# EOF\n"));
    let words = |kind: &str| -> BTreeSet<String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(kind));
        lines.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    };
    let (types, helps) = (words("# TYPE "), words("# HELP "));
    assert_eq!(types, helps);
    for name in &types {
        let fine = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(fine && name.starts_with("coxswain_"), "{name}");
        // No unit but base units.
        assert!(["_ms", "_milliseconds", "_minutes", "_percent", "_mib"].iter().all(|unit| !name.ends_with(unit)));
    }
}

/// The dashboard in deploy/ asks for what there is.
#[test]
fn the_dashboard_asks_for_metrics_that_there_are() {
    let dashboard: serde_json::Value = serde_json::from_str(include_str!("../../../deploy/grafana.json")).unwrap();
    let full = Run { best_accuracy: Some(0.5), seconds_left: Some(1.0), train_accuracy: Some(0.5), ..run() };
    let text = text(&full, &Chronicle::default());
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let mut asked = 0;
    for target in targets {
        let query = target["expr"].as_str().unwrap();
        let name = &query[..query.find('{').unwrap()];
        assert!(text.lines().any(|line| line.starts_with(name) && !line.starts_with('#')), "{name}");
        asked += 1;
    }
    assert!(asked > 10, "{asked}");
}
