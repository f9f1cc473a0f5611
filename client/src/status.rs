//! `cox status`: the run on one screen.

use crate::{
    args,
    error::Failure,
    history,
    look::{Ink, Look},
    output::Output,
    requirement,
    source::Source,
    state, workers,
};
use program::text::one_line;
use proto::v1::{Run, RunState};
use tonic::transport::Uri;
use view::{Progress, RunView, bar, duration, percent, rate, speed};

/// How many finished epochs are shown.
const EPOCHS: usize = 5;

/// How many failures that were survived are shown.
const RECOVERIES: usize = 3;

/// Prints the run as it stands.
///
/// # Errors
/// If the run cannot be looked at, the output cannot be written, or a requirement is not met.
pub async fn status(url: &Uri, options: &args::Status, output: &Output) -> Result<(), Failure> {
    let run = Source::of(&options.from, url).await?.whole_run().await?;
    if output.json() {
        output.json_object(&RunView::new(&run))?;
    } else {
        output.text(&render(&run, output.look()))?;
    }
    requirement::check(&options.demands, &run)
}

/// The run on one screen.
#[must_use]
pub fn render(run: &Run, look: Look) -> String {
    let mut lines = heading(run, look);
    lines.push(String::new());
    lines.extend(bars(run, look));
    lines.push(String::new());
    lines.extend(figures(run, look));
    for (index, line) in workers::fitting(&run.workers, look).into_iter().enumerate() {
        if index == 0 {
            lines.push(String::new());
        }
        lines.push(if index == 0 { look.paint(Ink::Faint, &line) } else { line });
    }
    let epochs = epochs(run, look);
    if !epochs.is_empty() {
        lines.push(String::new());
        lines.extend(epochs);
    }
    lines.join("\n") + "\n"
}

/// The last epochs: as the coordinator prints them, or as a table where a terminal has no room for that.
fn epochs(run: &Run, look: Look) -> Vec<String> {
    let lines = view::last_epochs(run, EPOCHS);
    let is_wide = |line: &String| line.chars().count() > look.width;
    if look.wraps && lines.iter().any(is_wide) { history::brief(&run.epochs, EPOCHS, look) } else { lines }
}

/// What is trained, in which state and why.
fn heading(run: &Run, look: Look) -> Vec<String> {
    let model = run.model().unwrap_or("no model");
    let word = view::word(run.state());
    let reason = one_line(&run.reason);
    // Most reasons begin with the state: "waiting for 1 of 4 workers".
    let rest = match reason.strip_prefix(word) {
        Some(rest) => rest.to_owned(),
        None if reason.is_empty() => reason,
        None => format!(": {reason}"),
    };
    let word = look.paint(state::ink(run.state()), word);
    let first = format!("{} {word}{rest}", look.paint(Ink::Strong, &one_line(model)));
    let about = format!("run {}, generation {}, {}", one_line(&run.id), run.generation, duration(run.wall_seconds));
    vec![first, look.paint(Ink::Faint, &about)]
}

/// How far the run and its epoch are.
fn bars(run: &Run, look: Look) -> Vec<String> {
    let progress = Progress::of(run);
    let width = look.width.saturating_sub(36).clamp(10, 40);
    let line = |label: &str, done: u32, all: u32, fraction: f64| {
        let filled = look.paint(Ink::Good, &bar(fraction, width));
        let counted = format!("{done}/{all}");
        format!("  {} {counted:>11}  {filled} {:5.1} %", label_of(look, label), 100.0 * fraction)
    };
    vec![
        line("epoch", progress.epoch, progress.epochs, progress.fraction),
        line("step", progress.step, progress.steps, progress.of_epoch()),
    ]
}

/// Loss, speed, checkpoints.
fn figures(run: &Run, look: Look) -> Vec<String> {
    let line = |label: &str, parts: Vec<String>| format!("  {} {}", label_of(look, label), parts.join(", "));
    let mut lines = Vec::new();
    let mut training = Vec::new();
    training.extend(run.train_loss.map(|loss| format!("loss {loss:.4}")));
    training.extend(run.train_accuracy.map(|accuracy| format!("accuracy {}", percent(accuracy))));
    training.push(format!("learning rate {}", rate(run.learning_rate)));
    lines.push(line("training", training));
    let mut pace = Vec::new();
    if run.images_per_second > 0.0 {
        pace.push(speed(run.images_per_second));
    }
    if !view::is_over(run.state()) {
        pace.extend(run.seconds_left.map(|seconds| format!("{} left", duration(seconds))));
    }
    if !pace.is_empty() {
        lines.push(line("speed", pace));
    }
    if let Some(accuracy) = run.best_accuracy {
        let best = one_line(&run.best_checkpoint);
        let checkpoint = if best.is_empty() { Vec::new() } else { vec![format!("checkpoint {best}")] };
        lines.push(line("best", [vec![format!("{} of the test set", percent(accuracy))], checkpoint].concat()));
    }
    let newest = one_line(&run.checkpoint);
    if !newest.is_empty() && run.checkpoint != run.best_checkpoint {
        lines.push(line("newest", vec![format!("checkpoint {newest}")]));
    }
    let survived = &run.recoveries[run.recoveries.len().saturating_sub(RECOVERIES)..];
    for recovery in survived {
        let back = match recovery.resumed_ms {
            Some(millis) => format!("back after {}", duration(millis as f64 / 1e3)),
            None => "not back yet".to_owned(),
        };
        lines.push(line("survived", vec![one_line(&recovery.kind), back]));
    }
    lines
}

/// A label, padded before it is painted.
fn label_of(look: Look, label: &str) -> String {
    look.paint(Ink::Faint, &format!("{label:<8}"))
}

/// The run on one line, for logs.
#[must_use]
pub fn line(run: &Run) -> String {
    let progress = Progress::of(run);
    let mut parts = vec![
        view::word(run.state()).to_owned(),
        format!("epoch {}/{}", progress.epoch, progress.epochs),
        format!("step {}/{}", progress.step, progress.steps),
    ];
    parts.extend(run.train_loss.map(|loss| format!("loss {loss:.4}")));
    parts.extend(run.train_accuracy.map(|accuracy| format!("accuracy {}", percent(accuracy))));
    if run.images_per_second > 0.0 {
        parts.push(speed(run.images_per_second));
    }
    if run.state() == RunState::Training {
        parts.extend(run.seconds_left.map(|seconds| format!("{} left", duration(seconds))));
    } else if !run.reason.is_empty() {
        parts.push(one_line(&run.reason));
    }
    parts.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::v1::{Epoch, Recovery, Worker};
    use serde_json::json;

    fn run() -> Run {
        let worker = |name: &str, rank, shards: &[u32]| Worker {
            name: name.to_owned(),
            device: "cuda:0".to_owned(),
            device_name: "NVIDIA H100".to_owned(),
            rank,
            shards: shards.to_vec(),
            epoch: 6,
            step: 112,
            last_seen_ms: 240,
            compute_seconds: 0.0984,
            wait_seconds: 0.012,
            ..Worker::default()
        };
        let epoch = |epoch| Epoch {
            epoch,
            train_loss: 0.9,
            train_accuracy: 0.68,
            test_loss: 0.8,
            test_accuracy: 0.7,
            learning_rate: 0.1,
            seconds: 40.0,
            ..Epoch::default()
        };
        Run {
            id: "r1".to_owned(),
            state: RunState::Training.into(),
            reason: "2 workers train".to_owned(),
            epoch: 6,
            step: 112,
            steps_per_epoch: 391,
            train_loss: Some(0.812_34),
            train_accuracy: Some(0.7125),
            learning_rate: 0.1,
            images_per_second: 1234.4,
            seconds_left: Some(750.0),
            generation: 3,
            workers: vec![worker("gpu-0", Some(0), &[0, 1]), worker("gpu-10", None, &[])],
            epochs: (0..6).map(epoch).collect(),
            config: Some(proto::to_message(&json!({"model": "resnet20", "epochs": 20}))),
            checkpoint: "step-002346".to_owned(),
            best_checkpoint: "step-001955".to_owned(),
            best_accuracy: Some(0.7012),
            wall_seconds: 483.0,
            recoveries: vec![Recovery {
                kind: "gpu-3 lost: silent for 10.1 s".to_owned(),
                detected_ms: 10_100,
                resumed_ms: Some(430),
                generation: 3,
            }],
            ..Run::default()
        }
    }

    #[test]
    fn a_run_in_training() {
        let expected = "\
resnet20 training: 2 workers train
run r1, generation 3, 8m03s

  epoch           7/20  █████████████░░░░░░░░░░░░░░░░░░░░░░░░░░░  31.4 %
  step         112/391  ███████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░  28.6 %

  training loss 0.8123, accuracy 71.25 %, learning rate 0.1
  speed    1,234 images/s, 12m30s left
  best     70.12 % of the test set, checkpoint step-001955
  newest   checkpoint step-002346
  survived gpu-3 lost: silent for 10.1 s, back after 0.4s

WORKER   RANK  DEVICE                SHARDS  EPOCH:STEP  WORKS  WAITS  LAST SEEN
gpu-0       0  cuda:0 (NVIDIA H100)  0-1          7:112  98 ms  12 ms   0.2s ago
gpu-10  spare  cuda:0 (NVIDIA H100)  -            7:112  98 ms  12 ms   0.2s ago

Epoch [  2/ 20]  Train Loss:0.9000  Train Acc:68.00%  Test Loss:0.8000  Test Acc:70.00%  Learning Rate:0.100000  Time 40.0s
Epoch [  3/ 20]  Train Loss:0.9000  Train Acc:68.00%  Test Loss:0.8000  Test Acc:70.00%  Learning Rate:0.100000  Time 40.0s
Epoch [  4/ 20]  Train Loss:0.9000  Train Acc:68.00%  Test Loss:0.8000  Test Acc:70.00%  Learning Rate:0.100000  Time 40.0s
Epoch [  5/ 20]  Train Loss:0.9000  Train Acc:68.00%  Test Loss:0.8000  Test Acc:70.00%  Learning Rate:0.100000  Time 40.0s
Epoch [  6/ 20]  Train Loss:0.9000  Train Acc:68.00%  Test Loss:0.8000  Test Acc:70.00%  Learning Rate:0.100000  Time 40.0s
";
        assert_eq!(render(&run(), Look::plain(100)), expected);
    }

    #[test]
    fn nothing_wraps_on_a_usual_terminal() {
        let mut run = run();
        run.workers[0].device_name = "Intel(R) Xeon(R) Platinum 8481C CPU".to_owned();
        let text = render(&run, Look { wraps: true, ..Look::plain(80) });
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let last = "    6      0.9000    68.00 %     0.8000   70.00 %   0.1  40.0s";
        assert!(text.contains(last) && text.contains("gpu-0       0  cuda:0  0-1 "), "{text}");
    }

    #[test]
    fn a_run_that_waits_for_its_first_worker() {
        let run = Run {
            id: "r1".to_owned(),
            state: RunState::Waiting.into(),
            reason: "waiting for 4 of 4 workers".to_owned(),
            steps_per_epoch: 391,
            learning_rate: 0.1,
            config: Some(proto::to_message(&json!({"model": "resnet20", "epochs": 20}))),
            wall_seconds: 3.0,
            ..Run::default()
        };
        let expected = "\
resnet20 waiting for 4 of 4 workers
run r1, generation 0, 3.0s

  epoch           1/20  ░░░░░░░░░░   0.0 %
  step           0/391  ░░░░░░░░░░   0.0 %

  training learning rate 0.1
";
        assert_eq!(render(&run, Look::plain(40)), expected);
    }

    #[test]
    fn a_line_for_logs() {
        assert_eq!(
            line(&run()),
            "training  epoch 7/20  step 112/391  loss 0.8123  accuracy 71.25 %  1,234 images/s  12m30s left"
        );
        let mut waiting = Run { reason: "waiting for 1 of 4 workers:\ngpu-2".to_owned(), ..run() };
        waiting.set_state(RunState::Waiting);
        waiting.images_per_second = 0.0;
        assert_eq!(
            line(&waiting),
            "waiting  epoch 7/20  step 112/391  loss 0.8123  accuracy 71.25 %  waiting for 1 of 4 workers: gpu-2"
        );
    }

    #[test]
    fn colours_change_nothing_but_colours() {
        let painted = render(&run(), Look { color: true, ..Look::plain(100) });
        assert!(painted.contains("\u{1b}[32mtraining\u{1b}[0m"));
        assert_eq!(console::strip_ansi_codes(&painted), render(&run(), Look::plain(100)));
    }
}
