//! A state in main memory.

use crate::slot::{AVERAGE, AVERAGE_STATISTICS, PARAMETERS, STATISTICS, Slot};
use crate::slots::{Slots, WrongSlots, model_of};
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

    /// The state in which a run begins. It has these parameters and running statistics, with which an average begins
    /// too. The optimiser's slots are zeros.
    #[must_use]
    pub fn initial(slots: &Slots, parameters: Vec<f32>, statistics: Vec<f32>) -> Self {
        let mut state = Self::zeros(slots);
        for slot in slots.iter() {
            match slot {
                AVERAGE => state.of_mut(slot).clone_from(&parameters),
                AVERAGE_STATISTICS => state.of_mut(slot).clone_from(&statistics),
                _ => {}
            }
        }
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

    /// Parameters and running statistics of the model, which are an average's in a run that keeps one.
    #[must_use]
    pub fn model(&self) -> [&[f32]; 2] {
        model_of(self.slots().map(|(slot, _)| slot)).map(|slot| self.of(slot))
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

    /// Whether all parameters, running statistics and averages are finite. What has lost that never finds back to it.
    #[must_use]
    pub fn has_numbers(&self) -> bool {
        let mut buffers = [PARAMETERS, STATISTICS, AVERAGE, AVERAGE_STATISTICS].into_iter();
        buffers.all(|slot| self.of(slot).iter().all(|value| value.is_finite()))
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

    const MOMENTUM: Slot = Slot::of_parameters("momentum");

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
    fn an_optimisers_slots_need_not_be_finite() {
        let mut state = State::zeros(&Slots::new(3, 2, &[MOMENTUM]));
        state.of_mut(MOMENTUM)[1] = f32::INFINITY;
        assert!(state.has_numbers());
        state.of_mut(STATISTICS)[1] = f32::NAN;
        assert!(!state.has_numbers());
    }

    #[test]
    fn the_model_is_the_average_where_there_is_one() {
        let plain = Slots::new(2, 1, &[MOMENTUM]);
        assert_eq!(
            (plain.model(), State::initial(&plain, vec![1.0, 2.0], vec![3.0]).model()),
            ([PARAMETERS, STATISTICS], [[1.0, 2.0].as_slice(), &[3.0]])
        );
        let slots = Slots::new(2, 1, &[MOMENTUM, AVERAGE, AVERAGE_STATISTICS]);
        let mut state = State::initial(&slots, vec![1.0, 2.0], vec![3.0]);
        assert_eq!(state.model(), [[1.0, 2.0].as_slice(), &[3.0]], "it begins with them");
        state.of_mut(AVERAGE)[0] = 5.0;
        assert_eq!((slots.model(), state.model()[0]), ([AVERAGE, AVERAGE_STATISTICS], [5.0, 2.0].as_slice()));
        state.of_mut(AVERAGE_STATISTICS)[0] = f32::NAN;
        assert!(!state.has_numbers());
    }
}
