//! Schedules against traces of PyTorch's own (golden/schedules.py made golden/schedules.json), compared to the bit.
//! `linear` is the exception: its test says why.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use schedule::{
    Anneal, Cosine, LearningRate, Linear, Losses, MultiStep, OneCycle, Plateau, PlateauState, Schedule, ScheduleState,
    Span, Warmup,
};
use serde_json::Value;

/// Of epochs whose losses do not matter.
const ONE: Losses = Losses { train: 1.0, test: 1.0 };

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/schedules.json")).unwrap()
}

/// Reads Python's `float.hex()`: exact, where decimal text would lean on two parsers agreeing.
fn hex(value: &Value) -> f64 {
    let text = value.as_str().unwrap();
    let (mantissa, exponent) = text.strip_prefix("0x").unwrap().split_once('p').unwrap();
    let (whole, fraction) = mantissa.split_once('.').unwrap();
    let bits = u64::from_str_radix(&format!("{whole}{fraction}"), 16).unwrap();
    bits as f64 * 2f64.powi(exponent.parse::<i32>().unwrap() - 4 * fraction.len() as i32)
}

fn assert_bits(what: &str, got: &[f64], want: &Value) {
    let want: Vec<f64> = want.as_array().unwrap().iter().map(hex).collect();
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (got, want)) in got.iter().zip(&want).enumerate() {
        assert_eq!(got.to_bits(), want.to_bits(), "{what}, place {i}: {got} instead of {want}");
    }
}

#[test]
fn plateau() {
    for trace in golden()["plateau"].as_array().unwrap() {
        let plateau: Plateau = serde_json::from_value(trace["options"].clone()).unwrap();
        let mut state = PlateauState::default();
        let mut rate = hex(&trace["lr"]);
        let rates: Vec<f64> = trace["metrics"]
            .as_array()
            .unwrap()
            .iter()
            .map(|metric| {
                rate = plateau.step(&mut state, rate, metric.as_str().unwrap().parse().unwrap());
                rate
            })
            .collect();
        assert_bits(trace["name"].as_str().unwrap(), &rates, &trace["rates"]);
    }
}

/// The rates of a schedule that does not look at the test loss: the first, and one after each epoch.
fn by_epoch(schedule: Schedule, lr: f64, epochs: u32) -> Vec<f64> {
    let rate = LearningRate { lr, schedule, warmup: Warmup::default() };
    let mut state = ScheduleState::new(lr);
    let mut rates = vec![state.rate];
    for _ in 0..epochs {
        rate.finish_epoch(&mut state, Span { epochs, steps: 7 }, ONE);
        rates.push(state.rate);
    }
    rates
}

#[test]
fn multistep() {
    let golden = &golden()["multistep"];
    let milestones = golden["milestones"].as_array().unwrap().iter().map(|m| m.as_u64().unwrap() as u32).collect();
    let schedule = Schedule::Multistep(MultiStep { milestones, gamma: golden["gamma"].as_f64().unwrap() });
    assert_bits("multistep", &by_epoch(schedule, hex(&golden["lr"]), 12), &golden["rates"]);
}

#[test]
fn cosine() {
    let golden = &golden()["cosine"];
    let schedule = Schedule::Cosine(Cosine { min_lr: golden["min_lr"].as_f64().unwrap() });
    assert_bits("cosine", &by_epoch(schedule, hex(&golden["lr"]), 20), &golden["rates"]);
}

/// PyTorch's rates but for rounding: each of its rates has the errors of those before.
#[test]
fn linear() {
    let golden = &golden()["linear"];
    let schedule = Schedule::Linear(Linear { min_lr: golden["min_lr"].as_f64().unwrap() });
    let got = by_epoch(schedule, hex(&golden["lr"]), 20);
    let want: Vec<f64> = golden["rates"].as_array().unwrap().iter().map(hex).collect();
    assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.iter().zip(&want).enumerate() {
        assert!((got / want - 1.0).abs() < 1e-12, "linear, place {i}: {got} instead of {want}");
    }
}

#[test]
fn linear_falls_by_equal_parts_and_ends_with_its_lowest_rate() {
    // All of these are exact in binary.
    assert_eq!(by_epoch(Schedule::Linear(Linear { min_lr: 0.25 }), 1.25, 4), [1.25, 1.0, 0.75, 0.5, 0.25]);
    assert_eq!(by_epoch(Schedule::Linear(Linear { min_lr: 0.0 }), 1.0, 2), [1.0, 0.5, 0.0]);
    assert_eq!(by_epoch(Schedule::Linear(Linear { min_lr: 0.5 }), 1.0, 1), [1.0, 0.5], "a run of one epoch");
    // These are not, and the last rate is the floor all the same.
    for (lr, min_lr, epochs) in [(0.1, 1e-6, 3), (0.3, 1e-4, 7), (0.1, 0.0, 49)] {
        let rates = by_epoch(Schedule::Linear(Linear { min_lr }), lr, epochs);
        assert_eq!(rates.last(), Some(&min_lr), "from {lr} in {epochs} epochs");
    }
}

#[test]
fn linear_is_a_kind_of_its_own_in_a_configuration() {
    let schedule: Schedule = serde_json::from_str(r#"{"kind": "linear"}"#).unwrap();
    assert_eq!(schedule, Schedule::Linear(Linear { min_lr: 1e-6 }));
    assert_eq!(schedule.name(), "linear");
    let misspelt = r#"{"kind": "linear", "min-lr": 0.1}"#;
    assert!(serde_json::from_str::<Schedule>(misspelt).is_err());
}

/// The rates of every step of four epochs of 25 steps.
fn by_step(one_cycle: OneCycle, golden: &Value) -> Vec<f64> {
    let (schedule, lr) = (Schedule::OneCycle(one_cycle), hex(&golden["lr"]));
    let rate = LearningRate { lr, schedule, warmup: Warmup::default() };
    let span = Span { epochs: 4, steps: 25 };
    let mut state = ScheduleState::new(lr);
    let mut rates = Vec::new();
    for _ in 0..4 {
        rates.extend(rate.of_epoch(&state, span).unwrap().list());
        rate.finish_epoch(&mut state, span, ONE);
    }
    rates
}

#[test]
fn one_cycle() {
    let golden = &golden()["one_cycle"];
    assert_bits("one-cycle", &by_step(OneCycle::default(), golden), &golden["rates"]);
}

#[test]
fn one_cycle_in_straight_lines() {
    let golden = &golden()["one_cycle_linear"];
    let linear = OneCycle { pct_start: 0.2, anneal: Anneal::Linear, ..OneCycle::default() };
    assert_bits("one-cycle, linear", &by_step(linear, golden), &golden["rates"]);
}
