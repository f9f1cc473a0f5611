//! Which settings cannot change once a run has begun.

use crate::RunConfig;
use settings::Difference;

impl RunConfig {
    /// The settings of `now` that a run of this configuration cannot take over, once `begun` of its epochs are begun.
    ///
    /// A setting that only decides how long the run is changes no step that was done. The weights are those of a run
    /// that had it from the start. The only such setting is the number of epochs. It may change if the schedule does
    /// not depend on it, but not to less than is begun.
    #[must_use]
    pub fn conflicts(&self, now: &Self, begun: u32) -> Vec<Difference> {
        let refused = |difference: Difference| match difference.name.as_str() {
            "epochs" => self.why_not_so_long(now, begun).map(|why| Difference { why: Some(why), ..difference }),
            _ => Some(difference),
        };
        self.differences(now).into_iter().filter_map(refused).collect()
    }

    /// Why a run of this configuration cannot have as many epochs as `now` has.
    fn why_not_so_long(&self, now: &Self, begun: u32) -> Option<String> {
        if self.schedule.rule().spans_the_run() {
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
    use proptest::prelude::*;
    use schedule::{
        Constant, Cosine, LearningRate, Linear, Losses, MultiStep, OneCycle, Plateau, Schedule, ScheduleState, Span,
        Warmup,
    };

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
            Just(Schedule::Constant(Constant {})),
            Just(Schedule::Plateau(Plateau { patience: 1, ..Plateau::of_pytorch() })),
            Just(Schedule::Multistep(MultiStep { milestones: vec![2, 3], gamma: 0.1 })),
            Just(Schedule::Cosine(Cosine { min_lr: 1e-6 })),
            Just(Schedule::Linear(Linear { min_lr: 1e-6 })),
            Just(Schedule::OneCycle(OneCycle::default())),
        ]
    }

    proptest! {
        /// P1: the steps done before a run becomes longer are those that a run of that length would have done.
        #[test]
        fn the_length_is_in_no_rate_where_it_may_change(
            schedule in schedules(), losses in proptest::collection::vec(0.1..3.0_f64, 2..6), more in 1..5_u32,
            warm in 0..3_u32,
        ) {
            let rates = |epochs: u32| {
                let (span, warmup) = (Span { epochs, steps: 7 }, Warmup { epochs: warm, from: 0.1 });
                let rate = LearningRate { lr: 0.1, schedule: schedule.clone(), warmup };
                let mut state = ScheduleState::new(0.1);
                losses.iter().flat_map(|loss| {
                    let rates = rate.of_epoch(&state, span).unwrap().list().to_vec();
                    rate.finish_epoch(&mut state, span, Losses { train: *loss, test: *loss });
                    rates
                }).collect::<Vec<_>>()
            };
            let epochs = losses.len() as u32;
            prop_assert_eq!(rates(epochs) == rates(epochs + more), !schedule.rule().spans_the_run());
        }
    }
}
