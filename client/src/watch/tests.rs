//! The pure parts: whatever comes, and however large the screen is.

use super::{
    end,
    keys::{Key, Wish, press},
    model::{History, Message, Model, Pane},
    palette::Palette,
    view,
};
use proptest::prelude::*;
use proto::v1::{Checkpoint, Epoch, Event, Generation, Recovery, Run, RunState, Worker};
use ratatui::{buffer::Buffer, layout::Rect};
use serde_json::json;

const PLAIN: Palette = Palette { color: false };

fn epoch(epoch: u32) -> Epoch {
    let at = f64::from(epoch);
    Epoch {
        epoch,
        train_loss: 2.3 / (1.0 + 0.3 * at),
        train_accuracy: 0.8 - 0.7 / (1.0 + at),
        test_loss: 2.4 / (1.0 + 0.25 * at),
        test_accuracy: 0.75 - 0.65 / (1.0 + at),
        learning_rate: if epoch < 4 { 0.1 } else { 0.05 },
        seconds: 7.0,
        note: if epoch == 3 { "the rate falls".to_owned() } else { String::new() },
        ..Epoch::default()
    }
}

fn run() -> Run {
    let worker = |name: &str, rank, seen| Worker {
        name: name.to_owned(),
        rank,
        shards: rank.into_iter().collect(),
        compute_seconds: 0.098,
        wait_seconds: 0.012,
        last_seen_ms: seen,
        ..Worker::default()
    };
    let aside = Worker { back_in_seconds: Some(3.5), set_aside: "no memory".to_owned(), ..worker("c", None, 0) };
    Run {
        id: "r1".to_owned(),
        state: RunState::Training.into(),
        reason: "training epoch 8".to_owned(),
        epoch: 7,
        step: 5,
        steps_per_epoch: 10,
        train_loss: Some(0.7),
        train_accuracy: Some(0.75),
        learning_rate: 0.05,
        images_per_second: 1234.4,
        seconds_left: Some(750.0),
        generation: 3,
        workers: vec![worker("a", Some(0), 240), worker("b", Some(1), 9000), aside],
        epochs: (0..7).map(epoch).collect(),
        config: Some(proto::to_message(&json!({"model": "resnet20", "epochs": 20}))),
        best_accuracy: Some(0.64),
        events: 3,
        ..Run::default()
    }
}

fn event(number: u64, text: &str) -> Event {
    Event { number, at: 1_700_000_000.0 + number as f64, text: text.to_owned() }
}

fn model() -> Model {
    let mut model = Model::default();
    model.take(Message::Run(Box::new(run())));
    model.take(Message::Events(vec![event(0, "worker a came"), event(1, "worker b LOST"), event(2, "asked to go on")]));
    model.take(Message::History(Box::new(History {
        epochs: (0..7).map(epoch).collect(),
        checkpoints: (1..8)
            .map(|n| Checkpoint { steps_done: 10 * n, written_at: 100.0 + n as f64, ..Checkpoint::default() })
            .collect(),
        generations: vec![
            Generation { generation: 1, formed_at: 100.0, ..Generation::default() },
            Generation { generation: 2, formed_at: 102.5, ..Generation::default() },
        ],
        recoveries: vec![Recovery { generation: 2, ..Recovery::default() }],
    })));
    model
}

fn drawn(model: &Model, width: u16, height: u16) -> String {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    view::draw(model, PLAIN, area, &mut buffer);
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned() + "\n";
    (0..height).map(row).collect()
}

fn type_in(model: &mut Model, letters: &str) {
    for letter in letters.chars() {
        press(model, Key::Letter(letter));
    }
}

#[test]
fn the_usual_screen_shows_all_that_matters() {
    let screen = drawn(&model(), 80, 24);
    for words in [
        "resnet20 ● training epoch 8",
        "epoch 8/20 ━━",
        "37.5 %  step 5/10",
        "12m30s left  ·  1,234 images/s  ·  best 64.00 %",
        "┏ Loss ━",
        "╭ Accuracy ─",
        "╭ Rate ─",
        " 0.700 0.960 ┓",
        "✓ well",
        "! silent for 9.0s",
        "worker b LOST",
        " ? help",
    ] {
        assert!(screen.contains(words), "no {words:?} in\n{screen}");
    }
    assert!(drawn(&model(), 120, 40).contains("train 0.700 test 0.960 ┓"));
    assert!(screen.chars().any(|letter| ('\u{2801}'..='\u{28FF}').contains(&letter)), "no curve in\n{screen}");
    for sign in ['↘', '✕', '▴', '★'] {
        assert!(screen.lines().take(6).any(|line| line.contains(sign)), "no {sign} in\n{screen}");
    }
}

#[test]
fn a_small_screen_says_the_most_important() {
    assert_eq!(drawn(&model(), 20, 3), "training\n38 %\nepoch 8/20\n");
    assert!(drawn(&model(), 30, 10).contains("Loss"));
    assert!(!drawn(&model(), 60, 24).contains("Accuracy"), "one pane at a time");
}

#[test]
fn trouble_is_told_until_the_run_is_there_again() {
    let mut model = model();
    model.take(Message::Trouble("cannot reach it\n(next attempt in 1.0s)".to_owned()));
    let screen = drawn(&model, 80, 24);
    assert!(screen.contains("! cannot reach it (next attempt in 1.0s)"), "{screen}");
    assert!(screen.contains(" as last heard of ╮") && !screen.contains("2 of 3 train"), "{screen}");
    model.take(Message::Run(Box::new(run())));
    let screen = drawn(&model, 120, 40);
    assert!(screen.contains("connected again") && !screen.contains("! cannot"), "{screen}");
}

#[test]
fn a_filter_is_typed_kept_and_cleared() {
    let mut model = model();
    type_in(&mut model, "/lost");
    assert!(drawn(&model, 80, 24).contains(" / lost"));
    press(&mut model, Key::Enter);
    let screen = drawn(&model, 80, 24);
    assert!(screen.contains("worker b LOST") && !screen.contains("worker a came"), "{screen}");
    assert!(screen.contains(r#" 1 with "lost" "#), "{screen}");
    press(&mut model, Key::Escape);
    assert!(drawn(&model, 80, 24).contains("worker a came"));
    // A letter of the filter is no command.
    type_in(&mut model, "/q");
    assert_eq!(model.choice.filter, "q");
}

#[test]
fn keys_choose_what_is_seen() {
    let mut model = model();
    press(&mut model, Key::Letter('?'));
    assert!(drawn(&model, 80, 24).contains("leaves; the run goes on"));
    press(&mut model, Key::Escape);
    press(&mut model, Key::Tab);
    assert_eq!(model.choice.focus, Pane::Accuracy);
    press(&mut model, Key::Enter);
    let screen = drawn(&model, 80, 24);
    assert!(screen.contains("Accuracy") && !screen.contains("Loss"), "{screen}");
    press(&mut model, Key::Letter('g'));
    assert!(drawn(&model, 80, 24).contains("@1 train 10.0 % test 10.0 %"));
    press(&mut model, Key::Letter('l'));
    assert!(drawn(&model, 80, 24).contains("@2 "));
    press(&mut model, Key::Escape);
    assert!(drawn(&model, 80, 24).contains("Loss"));
    assert_eq!(press(&mut model, Key::Letter('q')), Wish::Quit);
    assert_eq!(press(&mut model, Key::Interrupt), Wish::Interrupt);
}

#[test]
fn the_figures_at_the_cursor_are_told_by_every_chart_of_the_usual_screen() {
    let mut model = model();
    model.choice.cursor = Some(5);
    let screen = drawn(&model, 80, 24);
    for words in ["━ @6 0.920 1.067 ┓", "─ @6 68.3 64.2 ╮", "╭ Rate ─", "─ @6 0.05 ╮"] {
        assert!(screen.contains(words), "no {words:?} in\n{screen}");
    }
    model.run.learning_rate = 3.05e-6;
    for epoch in &mut model.history.epochs {
        epoch.learning_rate = 3.05e-6;
    }
    let screen = drawn(&model, 80, 24);
    assert!(screen.contains(" Rate ") && screen.contains("e-6 ╮"), "{screen}");
    assert!(drawn(&model, 160, 40).contains("@6 train 68.3 % test 64.2 %"));
}

#[test]
fn another_run_has_a_past_of_its_own() {
    let mut model = model();
    model.take(Message::Run(Box::new(Run { id: "r2".to_owned(), ..run() })));
    assert_eq!((model.events.len(), model.history.checkpoints.len(), model.missing_event()), (0, 0, Some(0)));
}

#[test]
fn what_is_kept_has_a_limit() {
    let mut model = model();
    model.take(Message::Events((0..5000).map(|number| event(number, "x")).collect()));
    for _ in 0..3000 {
        model.take(Message::Trouble("x".to_owned()));
    }
    assert_eq!((model.events.len(), model.log.len(), model.missing_event()), (2000, 1000, None));
}

fn any_key() -> impl Strategy<Value = Key> {
    use Key::{
        BackTab, Backspace, Down, End, Enter, Escape, Home, Left, PageDown, PageUp, Redraw, Right, Suspend, Tab, Up,
    };
    let special =
        [Tab, BackTab, Enter, Escape, Backspace, Left, Down, Up, Right, PageDown, PageUp, Home, End, Redraw, Suspend];
    prop_oneof![
        prop::sample::select(special.to_vec()),
        prop::sample::select("hjklgG?/123456".chars().map(Key::Letter).collect::<Vec<_>>()),
        any::<char>().prop_map(Key::Letter),
    ]
}

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        -10.0..10.0f64,
        prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, 1e300, -1e300, 1e-300, f64::MAX]),
    ]
}

prop_compose! {
    fn any_message()(
        which in 0..4,
        numbers in prop::collection::vec(any_number(), 12),
        counts in prop::collection::vec(any::<u32>(), 4),
        state in 0..12i32,
        text in any::<String>(),
        many in 0..9u32,
    ) -> Message {
        let epochs: Vec<Epoch> = (0..many).map(|index| Epoch {
            epoch: if counts[0] % 3 == 0 { counts[1] } else { index },
            train_loss: numbers[index as usize],
            test_loss: numbers[11 - index as usize],
            test_accuracy: numbers[index as usize],
            learning_rate: numbers[3],
            note: text.clone(),
            ..Epoch::default()
        }).collect();
        match which {
            0 => Message::Run(Box::new(Run {
                id: text.clone(),
                state,
                reason: text.clone(),
                epoch: counts[0],
                step: counts[1],
                steps_per_epoch: counts[2] % 100,
                train_loss: Some(numbers[0]),
                train_accuracy: Some(numbers[1]),
                learning_rate: numbers[2],
                images_per_second: numbers[3],
                seconds_left: Some(numbers[4]),
                wall_seconds: numbers[5],
                workers: vec![Worker {
                    name: text,
                    compute_seconds: numbers[6],
                    wait_seconds: numbers[7],
                    back_in_seconds: Some(numbers[8]),
                    last_seen_ms: u64::MAX,
                    ..Worker::default()
                }; many as usize],
                epochs,
                ..Run::default()
            })),
            1 => Message::History(Box::new(History {
                epochs,
                checkpoints: vec![Checkpoint { steps_done: u64::MAX, written_at: numbers[9], ..Checkpoint::default() }],
                generations: vec![Generation { formed_at: numbers[10], ..Generation::default() }; 2],
                recoveries: vec![Recovery::default()],
            })),
            2 => Message::Events(vec![Event { number: u64::from(counts[3]), at: numbers[11], text }; many as usize]),
            _ => Message::Trouble(text),
        }
    }
}

proptest! {
    #[test]
    fn any_screen_shows_any_state(
        messages in prop::collection::vec(any_message(), 0..6),
        keys in prop::collection::vec(any_key(), 0..30),
        width in 1..=300u16,
        height in 1..=100u16,
    ) {
        let mut model = model();
        for message in messages {
            model.take(message);
        }
        for key in keys {
            press(&mut model, key);
        }
        drawn(&model, width, height);
        for focus in Pane::ALL {
            model.choice.focus = focus;
            drawn(&model, width.min(90), height.min(30));
        }
    }

    #[test]
    fn keys_and_messages_in_any_order(steps in prop::collection::vec((any_key(), prop::option::weighted(0.1, any_message())), 0..80)) {
        let mut model = model();
        for (key, message) in steps {
            press(&mut model, key);
            if let Some(message) = message {
                model.take(message);
            }
            prop_assert!(model.choice.filter.chars().count() <= 100);
            if let Some(cursor) = model.choice.cursor {
                prop_assert!(cursor < 100);
            }
        }
        drawn(&model, 100, 30);
    }
}

#[test]
fn a_failed_run_fails_the_watcher() {
    let run = |state: RunState| Run { state: state.into(), reason: "loss is NaN".to_owned(), ..Run::default() };
    assert!(end(&run(RunState::Finished)).is_ok());
    assert!(end(&run(RunState::Stopped)).is_ok());
    let failure = end(&run(RunState::Failed)).unwrap_err();
    assert_eq!((failure.exit_code(), failure.to_string().as_str()), (1, "the run failed: loss is NaN"));
}
