//! `cox plot`: curves of loss, accuracy and learning rate, of one run or several.

use crate::{
    args,
    drawing::{self, style},
    error::Failure,
    output::Output,
    source::Source,
};
use plot::{CurvePoint, Curves, Event, Mark, RunCurves};
use program::text::one_line;
use proto::v1::{Epoch, Run};
use tonic::transport::Uri;
use view::{percent, word};

/// Draws the curves into a file.
///
/// # Errors
/// If a run is not there, or the file cannot be written.
pub async fn plot(url: &Uri, options: &args::Plot, output: &Output) -> Result<(), Failure> {
    let mut runs = Vec::new();
    if options.runs.is_empty() {
        let source = Source::of(&options.from, url).await?;
        runs.push((String::new(), source.run().await?, source.epochs(false).await?));
    }
    for name in &options.runs {
        let source = Source::named(name).await?;
        runs.push((one_line(name), source.run().await?, source.epochs(false).await?));
    }
    let curves = Curves { style: style(options.out.dark), ..curves(&runs, options.log, options.smoothing) };
    drawing::save(&plot::curves(&curves), &options.out.file)?;
    drawing::tell(&options.out.file, output)
}

/// The curves of runs with their names and epochs.
fn curves(runs: &[(String, Run, Vec<Epoch>)], log: bool, smoothing: f64) -> Curves {
    let (title, subtitle) = match runs {
        [(_, run, epochs)] => (one_line(run.model().unwrap_or("no model")), about(run, epochs)),
        runs => (format!("{} runs", runs.len()), String::new()),
    };
    let of = |(name, _, epochs): &(String, Run, Vec<Epoch>)| {
        let run = RunCurves { name: name.clone(), points: points(epochs), marks: marks(epochs), best: None };
        RunCurves { best: run.most_accurate(), ..run }
    };
    let runs = runs.iter().map(of).collect();
    Curves { title, subtitle, runs, log_loss: log, log_rate: log, smoothing, ..Curves::default() }
}

fn about(run: &Run, epochs: &[Epoch]) -> String {
    let best = epochs.iter().map(|epoch| epoch.test_accuracy).filter(|accuracy| accuracy.is_finite());
    let best = best.reduce(f64::max).map(|best| format!(", best {} of the test set", percent(best)));
    format!("{}, {}{}", one_line(&run.id), word(run.state()), best.unwrap_or_default())
}

/// An epoch as people count it.
fn place(epoch: &Epoch) -> f64 {
    f64::from(epoch.epoch) + 1.0
}

fn points(epochs: &[Epoch]) -> Vec<CurvePoint> {
    let point = |epoch: &Epoch| CurvePoint {
        at: place(epoch),
        train_loss: Some(epoch.train_loss),
        test_loss: Some(epoch.test_loss),
        train_accuracy: Some(epoch.train_accuracy),
        test_accuracy: Some(epoch.test_accuracy),
        rate: Some(epoch.learning_rate),
    };
    epochs.iter().map(point).collect()
}

/// Where the schedule decided something.
fn marks(epochs: &[Epoch]) -> Vec<Mark> {
    let decided = epochs.iter().filter(|epoch| !epoch.note.is_empty());
    decided.map(|epoch| Mark { at: place(epoch), event: Event::Rate, label: String::new() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_are_counted_from_one_and_the_best_is_marked() {
        let epoch = |epoch, test_accuracy, note: &str| Epoch {
            epoch,
            test_accuracy,
            note: note.to_owned(),
            ..Epoch::default()
        };
        let epochs = vec![epoch(0, 0.5, ""), epoch(1, 0.75, "rate 0.1 -> 0.05"), epoch(2, 0.7, "")];
        let drawn = curves(&[(String::new(), Run::default(), epochs)], false, 0.0);
        assert_eq!(drawn.runs[0].points.iter().map(|point| point.at).collect::<Vec<_>>(), [1.0, 2.0, 3.0]);
        assert_eq!(drawn.runs[0].best, Some(2.0));
        assert_eq!(drawn.runs[0].marks.iter().map(|mark| mark.at).collect::<Vec<_>>(), [2.0]);
        assert!(drawn.subtitle.ends_with("best 75.00 % of the test set"), "{}", drawn.subtitle);
    }
}
