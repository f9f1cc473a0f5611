//! The status of a run, in the words of Kubeflow Trainer's `trainerStatus`.

use proto::v1::{Run, RunState};
use serde_json::{Value, json};
use view::is_over;

/// How far `run` of so many `epochs` is, without the time.
pub fn status(run: &Run, epochs: u32) -> Value {
    let mut status = json!({"progressPercentage": percentage(run, epochs), "metrics": metrics(run, epochs)});
    let left =
        if run.state() == RunState::Finished { Some(0.0) } else { run.seconds_left.filter(|_| !is_over(run.state())) };
    if let Some(left) = left.filter(|left| left.is_finite() && *left >= 0.0) {
        status["estimatedRemainingSeconds"] = json!(left.ceil() as u64);
    }
    status
}

/// From 0 to 100, which it is only when all is done.
fn percentage(run: &Run, epochs: u32) -> u32 {
    if run.state() == RunState::Finished {
        return 100;
    }
    let step = f64::from(run.step) / f64::from(run.steps_per_epoch.max(1));
    let done = (f64::from(run.epoch) + step).max(f64::from(view::epochs_done(run)));
    (100.0 * done / f64::from(epochs.max(1))).clamp(0.0, 99.0) as u32
}

/// Their names are those of Kubeflow's examples, where there are some.
fn metrics(run: &Run, epochs: u32) -> Vec<Value> {
    let last = run.epochs.last();
    let current = (run.epoch + 1).min(epochs.max(1));
    let figures = [
        ("currentEpoch", Some(f64::from(current))),
        ("totalEpochs", Some(f64::from(epochs))),
        ("loss", run.train_loss),
        ("accuracy", run.train_accuracy),
        ("eval_loss", last.map(|epoch| epoch.test_loss)),
        ("eval_accuracy", last.map(|epoch| epoch.test_accuracy)),
        ("learning_rate", Some(run.learning_rate)),
        ("images_per_second", Some(run.images_per_second)),
    ];
    let known = figures.into_iter().filter_map(|(name, value)| Some((name, value.filter(|value| value.is_finite())?)));
    known.map(|(name, value)| json!({"name": name, "value": value.to_string()})).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::v1::Epoch;

    fn run(state: RunState, epoch: u32, step: u32) -> Run {
        Run { state: state.into(), epoch, step, steps_per_epoch: 10, seconds_left: Some(7.2), ..Run::default() }
    }

    #[test]
    fn progress_grows_and_is_whole_only_in_the_end() {
        let percent = |run: &Run| status(run, 4)["progressPercentage"].clone();
        assert_eq!(percent(&run(RunState::Waiting, 0, 0)), 0);
        assert_eq!(percent(&run(RunState::Training, 1, 5)), 37);
        assert_eq!(percent(&run(RunState::Saving, 3, 10)), 99, "it is not over yet");
        assert_eq!(percent(&run(RunState::Finished, 3, 10)), 100);
        assert_eq!(percent(&run(RunState::Failed, 1, 0)), 25);
        let left = |state| status(&run(state, 3, 10), 4)["estimatedRemainingSeconds"].clone();
        assert_eq!((left(RunState::Training), left(RunState::Finished)), (json!(8), json!(0)));
        assert_eq!(left(RunState::Stopped), Value::Null, "nothing more comes");
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        let epoch = Epoch { test_loss: f64::NAN, test_accuracy: 0.5, ..Epoch::default() };
        let run = Run { train_loss: Some(0.25), epochs: vec![epoch], ..run(RunState::Training, 1, 0) };
        let status = status(&run, 4);
        let metric = |name: &str| {
            let found = status["metrics"].as_array().unwrap().iter().find(|metric| metric["name"] == name);
            found.map(|metric| metric["value"].clone())
        };
        assert_eq!(metric("loss"), Some(json!("0.25")));
        assert_eq!((metric("eval_accuracy"), metric("eval_loss")), (Some(json!("0.5")), None));
        assert_eq!((metric("currentEpoch"), metric("totalEpochs")), (Some(json!("2")), Some(json!("4"))));
    }
}
