use super::*;
use crate::checks;
use proptest::prelude::*;

/// A run that learns, of so many epochs.
fn run(name: &str, epochs: u32) -> RunCurves {
    let point = |epoch: u32| {
        let at = f64::from(epoch);
        let some = |value: f64| Some(value);
        CurvePoint {
            at,
            train_loss: some(2.3 / at.sqrt()),
            test_loss: some(2.0 / at.sqrt() + 0.1),
            train_accuracy: some(1.0 - 0.7 / at),
            test_accuracy: some(0.93 - 0.6 / at),
            rate: some(0.1 / at),
        }
    };
    let points: Vec<_> = (1..=epochs).map(point).collect();
    let best = Some(f64::from(epochs));
    RunCurves { name: name.to_owned(), points, marks: Vec::new(), best }
}

#[test]
fn any_number_of_epochs_is_well_laid_out() {
    for epochs in [0, 1, 2, 3, 20, 200, 1_000] {
        for (log_loss, smoothing) in [(false, 0.0), (true, 0.9)] {
            let runs = vec![run("resnet20", epochs)];
            let of = Curves { title: "A run".to_owned(), runs, log_loss, smoothing, ..Curves::default() };
            checks::well_laid_out(&curves(&of));
        }
    }
}

#[test]
fn many_runs_with_long_names_fit() {
    for count in [2, 6, 100] {
        let runs =
            (0..count).map(|index| run(&format!("run {index} {}", "with a long name".repeat(index % 4)), 20)).collect();
        let drawing = curves(&Curves { runs, ..Curves::default() });
        checks::well_laid_out(&drawing);
        let written = checks::texts(&drawing);
        assert_eq!(written.iter().any(|text| text.ends_with(" more")), count == 100, "{written:?}");
    }
}

#[test]
fn marks_are_labelled_where_there_is_room() {
    let mut of = run("resnet20", 20);
    let mark = |at, event, label: &str| Mark { at, event, label: label.to_owned() };
    of.marks = vec![
        mark(5.0, Event::Rate, "rate 0.01"),
        mark(5.1, Event::Join, ""),
        mark(5.2, Event::Recovery, "worker 3 lost"),
        mark(5.3, Event::Checkpoint, "no room"),
        mark(20.0, Event::Checkpoint, ""),
        mark(f64::NAN, Event::Rate, "nowhere"),
        mark(21.0, Event::Rate, "outside"),
    ];
    let drawing = curves(&Curves { runs: vec![of], ..Curves::default() });
    checks::well_laid_out(&drawing);
    let written = checks::texts(&drawing);
    for (text, shown) in [
        ("rate 0.01", 1),
        ("join", 1),
        ("worker 3 lost", 1),
        ("no room", 0),
        ("checkpoint", 1),
        ("nowhere", 0),
        ("outside", 0),
    ] {
        assert_eq!(written.iter().filter(|line| *line == text).count(), shown, "{text} in {written:?}");
    }
}

#[test]
fn the_best_state_has_its_value() {
    let of = run("resnet20", 20);
    assert_eq!(of.most_accurate(), Some(20.0));
    let written = checks::texts(&curves(&Curves { runs: vec![of], ..Curves::default() }));
    assert!(written.contains(&"best 90.00 %".to_owned()), "{written:?}");
}

#[test]
fn an_empty_picture_says_so() {
    let nan = CurvePoint { at: f64::NAN, train_loss: Some(1.0), ..CurvePoint::default() };
    for points in [vec![], vec![nan]] {
        let of = Curves { runs: vec![RunCurves { points, ..RunCurves::default() }], ..Curves::default() };
        assert!(checks::texts(&curves(&of)).contains(&"Nothing was measured yet".to_owned()));
    }
}

#[test]
fn a_panel_without_numbers_is_left_out() {
    let points = vec![CurvePoint { at: 1.0, train_loss: Some(1.0), ..CurvePoint::default() }];
    let of = Curves { runs: vec![RunCurves { points, ..RunCurves::default() }], ..Curves::default() };
    let written = checks::texts(&curves(&of));
    assert!(written.contains(&"Loss".to_owned()) && !written.contains(&"Accuracy".to_owned()), "{written:?}");
}

fn measured() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        Just(None),
        any::<f64>().prop_map(Some),
        (-5.0..5.0f64).prop_map(Some),
        Just(Some(0.25)),
        Just(Some(f64::NAN))
    ]
}

fn point() -> impl Strategy<Value = CurvePoint> {
    let at = prop_oneof![(0..2_000u32).prop_map(f64::from), any::<f64>(), -3.0..3.0f64];
    (at, [measured(), measured(), measured(), measured(), measured()]).prop_map(|(at, values)| {
        let [train_loss, test_loss, train_accuracy, test_accuracy, rate] = values;
        CurvePoint { at, train_loss, test_loss, train_accuracy, test_accuracy, rate }
    })
}

fn any_run() -> impl Strategy<Value = RunCurves> {
    let event = prop::sample::select(vec![Event::Rate, Event::Recovery, Event::Join, Event::Checkpoint]);
    let mark = (0.0..2_000.0f64, event, ".{0,30}").prop_map(|(at, event, label)| Mark { at, event, label });
    (".{0,60}", prop::collection::vec(point(), 0..12), prop::collection::vec(mark, 0..12), measured())
        .prop_map(|(name, points, marks, best)| RunCurves { name, points, marks, best })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_numbers_are_well_laid_out(
        runs in prop::collection::vec(any_run(), 0..4),
        (log_loss, log_rate) in any::<(bool, bool)>(),
        smoothing in prop_oneof![Just(0.0), 0.0..2.0f64, any::<f64>()],
    ) {
        let of = Curves { title: "<&>\u{0}".to_owned(), runs, log_loss, log_rate, smoothing, ..Curves::default() };
        let drawing = curves(&of);
        checks::well_laid_out(&drawing);
        let svg = crate::svg(&drawing);
        prop_assert!(!svg.contains("NaN") && !svg.contains("inf\""));
        let png = crate::png(&drawing, 0.25).unwrap();
        prop_assert!(png.starts_with(b"\x89PNG"));
    }
}
