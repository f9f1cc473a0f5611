//! Members that hold up an evaluation.

use crate::{
    phase::Phase,
    steering::Steering,
    worker::{Worker, WorkerId},
};
use plan::{Chunks, LONGEST_PATIENCE, Position, block};
use std::time::Duration;

impl Steering {
    /// Members that are late with a chunk of their part of the test set, with the reason. One is late after longer than
    /// a chunk can take. They hold the epoch up if others could do it: members that have told all of their part, or
    /// spare workers. A stop does not wait for them either. If there is nobody else they get much longer.
    pub(crate) fn find_unevaluated(&self, now: Duration) -> Vec<(WorkerId, String)> {
        let Phase::Evaluating { evaluation, .. } = &self.phase else { return Vec::new() };
        let (mut late, mut told) = (Vec::new(), false);
        for (rank, id) in self.generation.members.iter().enumerate() {
            let Some(worker) = self.workers.get(id) else { continue };
            if self.part(rank).all(|chunk| evaluation.has(chunk)) {
                told = true;
            } else {
                late.push((*id, worker, now.saturating_sub(worker.evaluated)));
            }
        }
        let spare = || self.candidates(now).iter().any(|able| !self.generation.has(able.id));
        let others = told || self.stop.is_some() || spare();
        let timeout = self.options.failure_timeout;
        let late = late.into_iter().filter(|(id, worker, still)| {
            let longest = self.chunk_of(*id, worker).max(self.waited_for());
            *still > if others { longest } else { longest.saturating_mul(3).max(LONGEST_PATIENCE) }
        });
        let reason = |still: Duration| {
            format!(
                "it has told nothing of its part of the test set for {:.0} s; if the machine is only slow, raise \
                 --failure-timeout (it is {} s)",
                still.as_secs_f64(),
                timeout.as_secs_f64()
            )
        };
        late.map(|(id, _, still)| (id, reason(still))).collect()
    }

    /// The chunks of the test set that the member of `rank` evaluates.
    pub(crate) fn part(&self, rank: usize) -> impl Iterator<Item = u32> + use<> {
        let chunks = Chunks::new(self.options.course.test_samples).count();
        block(chunks, self.generation.members.len() as u32, rank as u32)
    }

    /// How long a chunk of the test set may take. The forward pass of its images takes less than training on as many.
    /// Only a worker that has shown that its steps are as long may take more than [`LONGEST_PATIENCE`].
    fn chunk_of(&self, id: WorkerId, worker: &Worker) -> Duration {
        let images = Chunks::new(self.options.course.test_samples).images(0).len() as u32;
        let own = self.options.course.batch_size / self.generation.members.len().max(1) as u32;
        let steps = images.div_ceil(own.max(1)).max(1);
        let shown = if worker.proven { worker.step.saturating_mul(3 * steps) } else { Duration::ZERO };
        self.step_of(id, worker).saturating_mul(steps).min(LONGEST_PATIENCE.max(shown))
    }

    /// Members that wait for orders although they have not said all that the epoch needs. That is their part of the
    /// test set, and the digest of the state at the end.
    pub(crate) fn find_silence(&self) -> Vec<(WorkerId, String)> {
        let Phase::Evaluating { epoch, evaluation, .. } = &self.phase else { return Vec::new() };
        let end = Position { epoch: *epoch, step: self.steps() };
        let mut silent = Vec::new();
        for (rank, id) in self.generation.members.iter().enumerate() {
            if !self.part(rank).all(|chunk| evaluation.has(chunk)) {
                silent.push((*id, "it waits for orders, and has not told its part of the test set".to_owned()));
            } else if !self.generation.digests.has(end, *id) && self.agreed(end).is_none() {
                silent.push((*id, "it waits for orders, and has not told what its epoch ended with".to_owned()));
            }
        }
        silent
    }
}
