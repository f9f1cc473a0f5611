//! What a run has to have reached, as in `--require 'test_accuracy>=0.85'`.

use crate::{args::Demands, error::Failure};
use proto::v1::{Epoch, Run};
use std::{cmp::Ordering, fmt, str::FromStr};

/// A figure of a run, with its name.
type Figure = (&'static str, fn(&Run) -> Option<f64>);

/// The figures that can be asked for. Those of an epoch are of the last one that is done.
const FIGURES: [Figure; 8] = [
    ("test_accuracy", |run| last(run).map(|epoch| epoch.test_accuracy)),
    ("best_accuracy", best_accuracy),
    ("test_loss", |run| last(run).map(|epoch| epoch.test_loss)),
    ("train_loss", |run| last(run).map(|epoch| epoch.train_loss)),
    ("train_accuracy", |run| last(run).map(|epoch| epoch.train_accuracy)),
    ("images_per_second", |run| last(run).map(|epoch| epoch.images_per_second)),
    ("epochs_done", |run| Some(last(run).map_or(0.0, |epoch| f64::from(epoch.epoch) + 1.0))),
    ("wall_seconds", |run| Some(run.wall_seconds)),
];

/// The signs of comparison, the longer ones first.
const SIGNS: [(&str, Comparison); 7] = [
    ("<=", Ordering::is_le),
    (">=", Ordering::is_ge),
    ("!=", Ordering::is_ne),
    ("==", Ordering::is_eq),
    ("<", Ordering::is_lt),
    (">", Ordering::is_gt),
    ("=", Ordering::is_eq),
];

/// How what was found compares to what is wanted.
type Comparison = fn(Ordering) -> bool;

fn last(run: &Run) -> Option<&Epoch> {
    run.epochs.last()
}

fn best_accuracy(run: &Run) -> Option<f64> {
    let of_epochs = run.epochs.iter().map(|epoch| epoch.test_accuracy).filter(|accuracy| accuracy.is_finite());
    of_epochs.chain(run.best_accuracy).reduce(f64::max)
}

/// That a figure compares in some way to a number.
#[derive(Clone)]
pub struct Requirement {
    text: String,
    figure: Figure,
    holds: Comparison,
    wanted: f64,
}

impl fmt::Debug for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Requirement").field(&self.text).finish()
    }
}

impl FromStr for Requirement {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "a requirement has the form FIGURE>=NUMBER, such as test_accuracy>=0.85";
        let start = text.find(['<', '>', '=', '!']).ok_or(FORM)?;
        let (name, rest) = (text[..start].trim(), &text[start..]);
        let (sign, holds) = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)).ok_or(FORM)?;
        let number = rest[sign.len()..].trim();
        let wanted = number.parse::<f64>().ok().filter(|number| number.is_finite());
        let wanted = wanted.ok_or_else(|| format!("{number:?} is no number; {FORM}"))?;
        let figure = FIGURES.into_iter().find(|(known, _)| *known == name).ok_or_else(|| unknown(name))?;
        if name.ends_with("_accuracy") && !(0.0..=1.0).contains(&wanted) {
            return Err(format!("an accuracy is from 0 to 1, and not {number}: 85 % is 0.85"));
        }
        Ok(Self { text: text.trim().to_owned(), figure, holds: *holds, wanted })
    }
}

/// That no figure is called `name`, and which one may be meant.
fn unknown(name: &str) -> String {
    let names = FIGURES.map(|(name, _)| name);
    let near = names
        .into_iter()
        .max_by(|left, right| strsim::jaro_winkler(left, name).total_cmp(&strsim::jaro_winkler(right, name)));
    format!("there is no figure {name:?}; is {} meant? They are {}", near.unwrap_or_default(), names.join(", "))
}

impl Requirement {
    /// Why `run` does not meet it; nothing if it does.
    #[must_use]
    pub fn unmet(&self, run: &Run) -> Option<String> {
        let (name, figure) = self.figure;
        match figure(run) {
            None => Some(format!("{}: no epoch is done yet", self.text)),
            // What is no number compares to nothing.
            Some(found) if found.partial_cmp(&self.wanted).is_some_and(self.holds) => None,
            Some(found) => Some(format!("{}: {name} is {found}", self.text)),
        }
    }
}

/// That `run` meets all `demands`.
///
/// # Errors
/// Every one that it does not meet, in words.
pub fn check(demands: &Demands, run: &Run) -> Result<(), Failure> {
    let mut unmet: Vec<String> = demands.require.iter().filter_map(|requirement| requirement.unmet(run)).collect();
    if let Some(expected) = &demands.expect_sha256
        && !expected.eq_ignore_ascii_case(&run.weights_sha256)
    {
        unmet.push(match run.weights_sha256.as_str() {
            "" => format!("expected the weights {expected}, and there is no checkpoint yet"),
            found => format!("expected the weights {expected}, and those of {} are {found}", run.checkpoint),
        });
    }
    if unmet.is_empty() { Ok(()) } else { Err(Failure::Unmet { what: unmet.join("; ") }) }
}

/// A SHA-256 in hexadecimal.
///
/// # Errors
/// If it is none.
pub fn sha256(text: &str) -> Result<String, String> {
    if text.len() == 64 && text.bytes().all(|letter| letter.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("a SHA-256 has 64 hexadecimal digits".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(accuracies: &[f64]) -> Run {
        let epoch = |(epoch, test_accuracy): (u32, &f64)| Epoch {
            epoch,
            test_accuracy: *test_accuracy,
            test_loss: f64::NAN,
            ..Epoch::default()
        };
        Run {
            epochs: (0..).zip(accuracies).map(epoch).collect(),
            wall_seconds: 90.0,
            weights_sha256: "ab".repeat(32),
            checkpoint: "step-1".to_owned(),
            ..Run::default()
        }
    }

    fn unmet(text: &str, run: &Run) -> Option<String> {
        text.parse::<Requirement>().unwrap().unmet(run)
    }

    #[test]
    fn figures_are_of_the_last_epoch_or_the_best() {
        let run = run(&[0.5, 0.75, 0.625]);
        assert_eq!(unmet("test_accuracy>=0.625", &run), None);
        assert_eq!(unmet(" best_accuracy > 0.7 ", &run), None);
        assert_eq!(unmet("epochs_done=3", &run), None);
        assert_eq!(unmet("wall_seconds<90", &run).unwrap(), "wall_seconds<90: wall_seconds is 90");
        assert_eq!(unmet("test_accuracy!=0.625", &run).unwrap(), "test_accuracy!=0.625: test_accuracy is 0.625");
        assert_eq!(unmet("test_loss<9", &run).unwrap(), "test_loss<9: test_loss is NaN");
        assert!(unmet("test_loss!=9", &run).is_some(), "what is no number meets nothing");
    }

    #[test]
    fn nothing_is_reached_before_the_first_epoch() {
        assert_eq!(unmet("test_accuracy>0", &run(&[])).unwrap(), "test_accuracy>0: no epoch is done yet");
        assert_eq!(unmet("epochs_done==0", &run(&[])), None);
    }

    #[test]
    fn a_wrong_one_is_told_what_to_write() {
        let error = |text: &str| text.parse::<Requirement>().unwrap_err();
        assert!(error("test_acuracy>=0.8").starts_with("there is no figure \"test_acuracy\"; is test_accuracy meant?"));
        assert!(error("accuracy").contains("FIGURE>=NUMBER"));
        assert!(error("test_accuracy>=x").starts_with("\"x\" is no number"));
        assert!(error("test_accuracy>=NaN").starts_with("\"NaN\" is no number"));
        assert_eq!(error("best_accuracy>=85"), "an accuracy is from 0 to 1, and not 85: 85 % is 0.85");
        assert!(error("test_accuracy!0.8").contains("FIGURE>=NUMBER"));
    }

    #[test]
    fn weights_are_compared_and_all_that_is_wrong_is_told() {
        let require = vec!["test_accuracy>0.9".parse().unwrap(), "epochs_done>1".parse().unwrap()];
        let demands = |sum: &str| Demands { require: require.clone(), expect_sha256: Some(sha256(sum).unwrap()) };
        let message = check(&demands(&"CD".repeat(32)), &run(&[0.5])).unwrap_err().to_string();
        assert!(message.contains("test_accuracy>0.9: test_accuracy is 0.5; epochs_done>1"), "{message}");
        assert!(message.contains("and those of step-1 are abab"), "{message}");
        let fine = Demands { require: Vec::new(), expect_sha256: Some(sha256(&"AB".repeat(32)).unwrap()) };
        assert!(check(&fine, &run(&[])).is_ok());
        assert!(sha256("ab").is_err());
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in ".*") {
            let _ = text.parse::<Requirement>();
        }
    }
}
