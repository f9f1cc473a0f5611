//! What happened to a run, as marks along its epochs: those of the page, by the same signs.

use super::model::Model;
use crate::look::Ink;
use proto::v1::Epoch;

/// What a mark tells of. Of two at one place the greater is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The state was saved.
    Checkpoint,
    /// The schedule decided something.
    Rate,
    /// Workers joined.
    Join,
    /// A failure was survived.
    Recovery,
    /// The highest test accuracy. There is one, and it is what people look for.
    Best,
}

impl Kind {
    /// All, for a legend.
    pub const ALL: [Self; 5] = [Self::Rate, Self::Recovery, Self::Join, Self::Checkpoint, Self::Best];

    /// Its sign.
    #[must_use]
    pub fn sign(self) -> char {
        match self {
            Self::Rate => '↘',
            Self::Recovery => '✕',
            Self::Join => '+',
            Self::Checkpoint => '▴',
            Self::Best => '★',
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Recovery => "recovery",
            Self::Join => "join",
            Self::Checkpoint => "checkpoint",
            Self::Best => "best",
        }
    }

    /// Its colour.
    #[must_use]
    pub fn ink(self) -> Ink {
        match self {
            Self::Rate => Ink::Warning,
            Self::Recovery => Ink::Bad,
            Self::Join => Ink::Good,
            Self::Checkpoint => Ink::Faint,
            Self::Best => Ink::Strong,
        }
    }

    /// Whether a line across the curves shows it too.
    #[must_use]
    pub fn crosses(self) -> bool {
        matches!(self, Self::Rate | Self::Recovery)
    }
}

/// A mark.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    /// Of what.
    pub kind: Kind,
    /// Where, in epochs that are done.
    pub at: f64,
}

/// All marks of a run.
#[must_use]
pub fn marks(model: &Model) -> Vec<Mark> {
    let steps = f64::from(model.run.steps_per_epoch.max(1));
    let history = &model.history;
    let saved = history.checkpoints.iter();
    let mut all: Vec<Mark> =
        saved.map(|saved| Mark { kind: Kind::Checkpoint, at: saved.steps_done as f64 / steps }).collect();
    all.extend(rates(model.epochs()));
    let clock = Clock::of(model, steps);
    for (index, formed) in history.generations.iter().enumerate() {
        let survived = history.recoveries.iter().any(|recovery| recovery.generation == formed.generation);
        let before = index.checked_sub(1).and_then(|index| history.generations.get(index));
        let joined = before.is_some_and(|before| formed.members.iter().any(|name| !before.members.contains(name)));
        let kind = if survived { Some(Kind::Recovery) } else { joined.then_some(Kind::Join) };
        all.extend(kind.map(|kind| Mark { kind, at: clock.place(formed.formed_at) }));
    }
    all.extend(best(model.epochs()).map(|at| Mark { kind: Kind::Best, at }));
    all.retain(|mark| mark.at.is_finite());
    all.sort_by(|a, b| a.kind.cmp(&b.kind).then(a.at.total_cmp(&b.at)));
    all
}

/// Where the rate was changed; nowhere where it moves all the time, which its curve shows.
fn rates(epochs: &[Epoch]) -> Vec<Mark> {
    let mut found = Vec::new();
    for (index, epoch) in epochs.iter().enumerate() {
        let at = f64::from(epoch.epoch);
        let before = index.checked_sub(1).and_then(|index| epochs.get(index));
        if !epoch.note.is_empty() {
            found.push(Mark { kind: Kind::Rate, at: at + 1.0 });
        } else if let Some(before) = before
            && before.note.is_empty()
            && (epoch.learning_rate - before.learning_rate).abs() > 0.01 * before.learning_rate.abs()
        {
            found.push(Mark { kind: Kind::Rate, at });
        }
    }
    if found.len() > 4.max(epochs.len() / 4) { Vec::new() } else { found }
}

/// The epoch with the highest test accuracy; of equals the first.
fn best(epochs: &[Epoch]) -> Option<f64> {
    let known = epochs.iter().filter(|epoch| epoch.test_accuracy.is_finite());
    let best = known.reduce(|best, epoch| if epoch.test_accuracy > best.test_accuracy { epoch } else { best });
    best.map(|epoch| f64::from(epoch.epoch) + 1.0)
}

/// From moments to places: between what is known of both, in a straight line.
struct Clock(Vec<(f64, f64)>);

impl Clock {
    fn of(model: &Model, steps: f64) -> Self {
        let begin = model.history.generations.first().map(|first| (first.formed_at, 0.0));
        let saved = model.history.checkpoints.iter().map(|saved| (saved.written_at, saved.steps_done as f64 / steps));
        let mut known: Vec<(f64, f64)> = begin.into_iter().chain(saved).filter(|(at, _)| at.is_finite()).collect();
        known.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self(known)
    }

    fn place(&self, moment: f64) -> f64 {
        let after = self.0.partition_point(|(at, _)| *at < moment);
        match (after.checked_sub(1).and_then(|before| self.0.get(before)), self.0.get(after)) {
            (Some((a, x)), Some((b, y))) if b > a => x + (y - x) * (moment - a) / (b - a),
            (Some((_, x)), _) | (None, Some((_, x))) => *x,
            (None, None) => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::v1::{Checkpoint, Generation, Recovery};

    fn epoch(epoch: u32, learning_rate: f64, test_accuracy: f64, note: &str) -> Epoch {
        Epoch { epoch, learning_rate, test_accuracy, note: note.to_owned(), ..Epoch::default() }
    }

    #[test]
    fn marks_stand_where_things_happened() {
        let mut model = Model::default();
        model.run.steps_per_epoch = 10;
        model.history.epochs =
            vec![epoch(0, 0.1, 0.2, "rate 0.1 -> 0.05"), epoch(1, 0.05, 0.4, ""), epoch(2, 0.05, f64::NAN, "")];
        model.run.epochs.clone_from(&model.history.epochs);
        model.history.checkpoints = vec![
            Checkpoint { steps_done: 10, written_at: 110.0, ..Checkpoint::default() },
            Checkpoint { steps_done: 20, written_at: 120.0, ..Checkpoint::default() },
        ];
        let formed = |generation, formed_at, members: &[&str]| Generation {
            generation,
            formed_at,
            members: members.iter().map(|name| (*name).to_owned()).collect(),
            ..Generation::default()
        };
        model.history.generations =
            vec![formed(1, 100.0, &["a", "b"]), formed(2, 115.0, &["a"]), formed(3, 119.0, &["a", "b"])];
        model.history.recoveries = vec![Recovery { generation: 2, ..Recovery::default() }];
        let found: Vec<(Kind, f64)> = marks(&model).iter().map(|mark| (mark.kind, mark.at)).collect();
        assert_eq!(
            found,
            [
                (Kind::Checkpoint, 1.0),
                (Kind::Checkpoint, 2.0),
                (Kind::Rate, 1.0),
                (Kind::Join, 1.9),
                (Kind::Recovery, 1.5),
                (Kind::Best, 2.0)
            ]
        );
    }

    #[test]
    fn a_rate_that_always_moves_has_no_marks() {
        let all: Vec<Epoch> = (0..9).map(|index| epoch(index, 0.1 / f64::from(index + 1), 0.1, "")).collect();
        assert_eq!(rates(&all), []);
        assert_eq!(rates(&all[..3]).len(), 2);
    }
}
