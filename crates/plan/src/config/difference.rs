//! What a configuration has that another one has not, and what of it a run can still take over.

use crate::RunConfig;
use std::fmt;

/// One setting in which two configurations differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The setting's name.
    pub name: &'static str,
    /// In the first.
    pub before: String,
    /// In the second.
    pub now: String,
    /// Why the run cannot take it over, where that is not plain.
    pub why: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} -> {}", self.name, self.before, self.now)?;
        self.why.as_ref().map_or(Ok(()), |why| write!(f, " ({why})"))
    }
}

impl RunConfig {
    /// The settings in which `now` differs.
    #[must_use]
    pub fn differences(&self, now: &Self) -> Vec<Difference> {
        let rows = |config: &Self| {
            let schedule = format!("{:?}", config.schedule);
            [
                ("model", config.model.clone()),
                ("epochs", config.epochs.to_string()),
                ("batch-size", config.batch_size.to_string()),
                ("shards", config.shards.to_string()),
                ("threads", config.threads.to_string()),
                ("seed", config.seed.to_string()),
                ("precision", config.precision.to_string()),
                ("reduction", config.reduction.to_string()),
                ("wire", config.wire.to_string()),
                ("lr", config.lr.to_string()),
                ("momentum", config.momentum.to_string()),
                ("nesterov", config.nesterov.to_string()),
                ("weight-decay", config.weight_decay.to_string()),
                ("label-smoothing", config.label_smoothing.to_string()),
                ("schedule", schedule),
                ("limit-train", config.train_samples.to_string()),
                ("limit-test", config.test_samples.to_string()),
            ]
        };
        rows(self)
            .into_iter()
            .zip(rows(now))
            .filter(|((_, before), (_, now))| before != now)
            .map(|((name, before), (_, now))| Difference { name, before, now, why: None })
            .collect()
    }

    /// The settings of `now` that a run of this configuration cannot take over, once `begun` of its epochs are begun.
    ///
    /// A setting that only says how long the run is changes nothing of what is done, so that the weights are those of a
    /// run that had it from the start. That is the number of epochs, under a schedule that does not depend on it, as
    /// long as it is not below what is done.
    #[must_use]
    pub fn conflicts(&self, now: &Self, begun: u32) -> Vec<Difference> {
        let refused = |difference: Difference| match difference.name {
            "epochs" => self.why_not_so_long(now, begun).map(|why| Difference { why: Some(why), ..difference }),
            _ => Some(difference),
        };
        self.differences(now).into_iter().filter_map(refused).collect()
    }

    /// Why a run of this configuration cannot have as many epochs as `now` has.
    fn why_not_so_long(&self, now: &Self, begun: u32) -> Option<String> {
        if self.schedule.spans_the_run() {
            return Some(format!(
                "the {} schedule spreads over all epochs, so that their number cannot change",
                self.schedule.name()
            ));
        }
        (now.epochs < begun).then(|| format!("{begun} are begun or done already"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cosine, Losses, MultiStep, OneCycle, Plateau, Schedule, ScheduleState};
    use proptest::prelude::*;

    fn config(epochs: u32) -> RunConfig {
        RunConfig { epochs, ..RunConfig::default() }
    }

    fn text(differences: &[Difference]) -> Vec<String> {
        differences.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn differences_are_listed() {
        let now = RunConfig { lr: 0.2, ..config(3) };
        assert_eq!(text(&config(9).differences(&now)), ["epochs: 9 -> 3", "lr: 0.1 -> 0.2"]);
    }

    #[test]
    fn a_run_can_become_longer_and_shorter_but_not_shorter_than_it_is() {
        assert_eq!(config(3).conflicts(&config(9), 3), []);
        assert_eq!(config(9).conflicts(&config(3), 3), []);
        assert_eq!(text(&config(9).conflicts(&config(3), 4)), ["epochs: 9 -> 3 (4 are begun or done already)"]);
        let now = RunConfig { lr: 0.2, ..config(3) };
        assert_eq!(text(&config(9).conflicts(&now, 3)), ["lr: 0.1 -> 0.2"]);
    }

    #[test]
    fn the_schedule_is_named_where_it_forbids_another_length() {
        let schedule = Schedule::Cosine(Cosine { min_lr: 0.0 });
        let [short, long] = [3, 9].map(|epochs| RunConfig { schedule: schedule.clone(), ..config(epochs) });
        let expected =
            "epochs: 3 -> 9 (the cosine schedule spreads over all epochs, so that their number cannot change)";
        assert_eq!(text(&short.conflicts(&long, 0)), [expected]);
    }

    fn schedules() -> impl Strategy<Value = Schedule> {
        prop_oneof![
            Just(Schedule::Constant),
            Just(Schedule::Plateau(Plateau { patience: 1, ..Plateau::default() })),
            Just(Schedule::Multistep(MultiStep { milestones: vec![2, 3], gamma: 0.1 })),
            Just(Schedule::Cosine(Cosine { min_lr: 1e-6 })),
            Just(Schedule::OneCycle(OneCycle::default())),
        ]
    }

    proptest! {
        /// P1: what was done of a run that becomes longer is what a run of that length would have done.
        #[test]
        fn the_length_is_in_no_rate_where_it_may_change(
            schedule in schedules(), losses in proptest::collection::vec(0.1..3.0_f64, 2..6), more in 1..5_u32,
        ) {
            let rates = |total: u32| {
                let mut state = ScheduleState::new(0.1);
                losses.iter().flat_map(|loss| {
                    let rates = state.rates(&schedule, 0.1, total, 7);
                    state.finish_epoch(&schedule, 0.1, total, 7, Losses { train: *loss, test: *loss });
                    rates
                }).collect::<Vec<_>>()
            };
            let epochs = losses.len() as u32;
            prop_assert_eq!(rates(epochs) == rates(epochs + more), !schedule.spans_the_run());
        }
    }
}
