//! A state in main memory.

use crate::slot::{Home, PARAMETERS, STATISTICS, Slot};
use crate::slots::{Slots, WrongSlots};
use plan::{Position, Totals, digest_floats, digest_numbers};

/// All that training goes on from: the same bytes on every worker.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// The next step.
    pub position: Position,
    /// Of the epoch in progress.
    pub totals: Totals,
    buffers: Vec<(Slot, Vec<f32>)>,
}

impl State {
    /// A state at the beginning of a run, with zeros in all of `slots`.
    #[must_use]
    pub fn zeros(slots: &Slots) -> Self {
        let buffers = slots.iter().map(|slot| (slot, vec![0.0; slots.len_of(slot)])).collect();
        Self { position: Position::default(), totals: Totals::default(), buffers }
    }

    /// The state in which a run begins: with these parameters and running statistics, and zeros in the optimiser's slots.
    #[must_use]
    pub fn initial(slots: &Slots, parameters: Vec<f32>, statistics: Vec<f32>) -> Self {
        let mut state = Self::zeros(slots);
        *state.of_mut(PARAMETERS) = parameters;
        *state.of_mut(STATISTICS) = statistics;
        state
    }

    /// A state of slots that were received or copied, in their order.
    #[must_use]
    pub fn of_buffers(position: Position, totals: Totals, buffers: Vec<(Slot, Vec<f32>)>) -> Self {
        Self { position, totals, buffers }
    }

    /// The slots and their elements, in their order.
    pub fn slots(&self) -> impl Iterator<Item = (Slot, &[f32])> {
        self.buffers.iter().map(|(slot, values)| (*slot, values.as_slice()))
    }

    /// The elements of `slot`; none if the state does not have it.
    #[must_use]
    pub fn of(&self, slot: Slot) -> &[f32] {
        self.slots().find(|(other, _)| *other == slot).map_or(&[], |(_, values)| values)
    }

    /// The elements of `slot`, which is added if the state does not have it.
    pub fn of_mut(&mut self, slot: Slot) -> &mut Vec<f32> {
        let index = self.buffers.iter().position(|(other, _)| *other == slot).unwrap_or_else(|| {
            self.buffers.push((slot, Vec::new()));
            self.buffers.len() - 1
        });
        &mut self.buffers[index].1
    }

    /// The flat buffer of parameters.
    #[must_use]
    pub fn parameters(&self) -> &[f32] {
        self.of(PARAMETERS)
    }

    /// The flat buffer of running statistics.
    #[must_use]
    pub fn statistics(&self) -> &[f32] {
        self.of(STATISTICS)
    }

    /// Elements of all slots together.
    #[must_use]
    pub fn elements(&self) -> usize {
        self.slots().map(|(_, values)| values.len()).sum()
    }

    /// The digest by which workers are compared, computed on at most `threads` threads.
    #[must_use]
    pub fn digest(&self, threads: usize) -> u64 {
        let mut first = 0;
        let mut digest = 0_u64;
        for (_, values) in self.slots() {
            digest = digest.wrapping_add(digest_floats(values, first, threads));
            first += values.len() as u64;
        }
        digest.wrapping_add(digest_numbers(self.position, self.totals, first))
    }

    /// Whether all that is kept with the model is finite. What has lost that never finds back to it.
    #[must_use]
    pub fn has_numbers(&self) -> bool {
        let mut of_model = self.slots().filter(|(slot, _)| slot.home == Home::Model);
        of_model.all(|(_, values)| values.iter().all(|value| value.is_finite()))
    }

    /// Holds the slots against those of a run.
    ///
    /// # Errors
    /// If they are others, or of other sizes.
    pub fn check(&self, slots: &Slots) -> Result<(), WrongSlots> {
        slots.check(self.slots().map(|(slot, values)| (slot.name, values.len() as u64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slot::LaidOut;

    const MOMENTUM: Slot = Slot { name: "momentum", laid_out: LaidOut::Parameters, home: Home::Training };

    #[test]
    fn every_slot_is_in_the_digest_and_in_the_check() {
        let slots = Slots::new(3, 2, &[MOMENTUM]);
        let state = State::initial(&slots, vec![1.0, 2.0, 3.0], vec![0.0, 1.0]);
        assert_eq!((state.check(&slots), state.elements()), (Ok(()), 8));
        for slot in slots.iter() {
            let mut changed = state.clone();
            changed.of_mut(slot)[0] += 0.5;
            assert_ne!(changed.digest(1), state.digest(1), "{slot:?}");
            changed.of_mut(slot).pop();
            assert!(changed.check(&slots).unwrap_err().to_string().contains(slot.name));
        }
    }

    #[test]
    fn only_what_is_kept_with_the_model_has_to_be_finite() {
        let mut state = State::zeros(&Slots::new(3, 2, &[MOMENTUM]));
        state.of_mut(MOMENTUM)[1] = f32::INFINITY;
        assert!(state.has_numbers());
        state.of_mut(STATISTICS)[1] = f32::NAN;
        assert!(!state.has_numbers());
    }
}
