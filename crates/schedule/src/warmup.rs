//! A rise of the rate at the beginning, of any schedule.
//!
//! Every rate of the schedule is multiplied by a factor that grows in a straight line, a step at a time, to 1. So
//! `torch.optim.lr_scheduler.LinearLR` does it, where it is chained with another schedule.

use crate::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the rate rises at the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Warmup {
    /// Epochs in which the rate rises, a step at a time, under any schedule.
    pub epochs: u32,
    /// The part of the rate that the first step has.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub from: f64,
}

impl Default for Warmup {
    fn default() -> Self {
        Self { epochs: 0, from: 0.01 }
    }
}

impl Warmup {
    /// What the rate of `step`, counted from the run's beginning, is multiplied by, if the rise takes `steps`.
    #[must_use]
    pub fn factor(&self, step: u64, steps: u64) -> f64 {
        if step >= steps { 1.0 } else { self.from + (1.0 - self.from) * (step as f64 / steps as f64) }
    }

    /// The rates of the epoch after `done` others, whose schedule says `rates`: one for all steps, or one a step.
    pub(crate) fn applied(&self, rates: Vec<f64>, done: u32, span: Span) -> Vec<f64> {
        if done >= self.epochs {
            return rates;
        }
        let (steps, first) = (u64::from(span.steps), u64::from(done) * u64::from(span.steps));
        let all = u64::from(self.epochs) * steps;
        let of_step = |step: u64| rates.get(step as usize).or(rates.last()).copied().unwrap_or(0.0);
        (0..steps).map(|step| of_step(step) * self.factor(first + step, all)).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use crate::{Constant, LearningRate, Losses, OneCycle, Schedule, ScheduleState};

    const SPAN: Span = Span { epochs: 3, steps: 4 };

    fn rates(schedule: Schedule, warmup: Warmup) -> Vec<Vec<f64>> {
        let rate = LearningRate { lr: 0.5, schedule, warmup };
        let mut state = ScheduleState::new(rate.lr);
        let epochs = (0..SPAN.epochs).map(|_| {
            let rates = rate.of_epoch(&state, SPAN).unwrap().list().to_vec();
            rate.finish_epoch(&mut state, SPAN, Losses { train: 1.0, test: 1.0 });
            rates
        });
        epochs.collect()
    }

    /// `ChainedScheduler([LinearLR(o, 0.2, 1.0, total_iters=8), ConstantLR(o, 1.0)])` of PyTorch 2.13, a step each.
    #[test]
    fn it_rises_as_pytorchs_does() {
        let risen = rates(Schedule::Constant(Constant {}), Warmup { epochs: 2, from: 0.2 });
        let expected = [0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45];
        assert_eq!(risen.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 1]);
        for (ours, theirs) in risen.concat().iter().zip(expected) {
            assert!((ours - theirs).abs() < 1e-15, "{risen:?}");
        }
        assert_eq!(risen[2], [0.5], "and is exact again afterwards");
    }

    #[test]
    fn any_schedule_is_multiplied() {
        let warmup = Warmup { epochs: 1, from: 0.5 };
        let one_cycle = Schedule::OneCycle(OneCycle::default());
        let plain = rates(one_cycle.clone(), Warmup::default());
        let warm = rates(one_cycle, warmup);
        for step in 0..4 {
            assert_eq!(warm[0][step], plain[0][step] * (0.5 + 0.125 * step as f64));
        }
        assert_eq!(warm[1..], plain[1..]);
    }
}
