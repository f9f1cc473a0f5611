//! The slots of a run, with their sizes.

use crate::slot::{AVERAGE, AVERAGE_STATISTICS, LaidOut, PARAMETERS, STATISTICS, Slot};
use thiserror::Error;

/// The slots of a run, in the order in which a state is digested and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slots {
    parameters: usize,
    statistics: usize,
    list: Vec<Slot>,
}

/// Slots that are not those of a run.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum WrongSlots {
    /// A slot has another size.
    #[error("its slot {slot} has {got} elements instead of {expected}")]
    Size {
        /// Its name.
        slot: &'static str,
        /// By the model.
        expected: usize,
        /// As found.
        got: u64,
    },
    /// There are others.
    #[error("its slots are {got} instead of {expected}")]
    Names {
        /// Their names, separated by commas.
        expected: String,
        /// As found.
        got: String,
    },
}

impl Slots {
    /// Those of a model with so many parameters and running statistics, and `further` ones: an optimiser's, or an average.
    #[must_use]
    pub fn new(parameters: usize, statistics: usize, further: &[Slot]) -> Self {
        let list = [&[PARAMETERS, STATISTICS], further].concat();
        Self { parameters, statistics, list }
    }

    /// The two slots that are the model: parameters and running statistics.
    #[must_use]
    pub fn model(&self) -> [Slot; 2] {
        model_of(self.iter())
    }

    /// The slots in their order.
    pub fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        self.list.iter().copied()
    }

    /// Elements of `slot`.
    #[must_use]
    pub fn len_of(&self, slot: Slot) -> usize {
        match slot.laid_out {
            LaidOut::Parameters => self.parameters,
            LaidOut::Statistics => self.statistics,
        }
    }

    /// Elements of all slots together.
    #[must_use]
    pub fn elements(&self) -> usize {
        self.iter().map(|slot| self.len_of(slot)).sum()
    }

    /// Holds names and sizes that somebody else gives against these.
    ///
    /// # Errors
    /// If they are others.
    pub fn check<'a>(&self, found: impl Iterator<Item = (&'a str, u64)>) -> Result<(), WrongSlots> {
        let found: Vec<(&str, u64)> = found.collect();
        if !self.iter().map(|slot| slot.name).eq(found.iter().map(|(name, _)| *name)) {
            let names = |names: Vec<&str>| names.join(", ");
            let got = names(found.iter().map(|(name, _)| *name).collect());
            return Err(WrongSlots::Names { expected: names(self.iter().map(|slot| slot.name).collect()), got });
        }
        for (slot, (_, got)) in self.iter().zip(found) {
            let expected = self.len_of(slot);
            if got != expected as u64 {
                return Err(WrongSlots::Size { slot: slot.name, expected, got });
            }
        }
        Ok(())
    }
}

/// The two of `slots` that are the model: parameters and running statistics.
pub(crate) fn model_of(mut slots: impl Iterator<Item = Slot>) -> [Slot; 2] {
    if slots.any(|slot| slot == AVERAGE) { [AVERAGE, AVERAGE_STATISTICS] } else { [PARAMETERS, STATISTICS] }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENTUM: Slot = Slot::of_parameters("momentum");

    #[test]
    fn other_slots_are_told_by_name_and_size() {
        let slots = Slots::new(3, 2, &[MOMENTUM]);
        let own = [("parameters", 3), ("running_statistics", 2), ("momentum", 3)];
        assert_eq!((slots.elements(), slots.check(own.into_iter())), (8, Ok(())));
        let error = |found: &[(&str, u64)]| slots.check(found.iter().copied()).unwrap_err().to_string();
        assert_eq!(error(&[own[0], own[1], ("momentum", 4)]), "its slot momentum has 4 elements instead of 3");
        assert!(error(&own[..2]).starts_with("its slots are parameters, running_statistics instead of parameters,"));
        assert!(error(&[own[1], own[0], own[2]]).contains("are running_statistics, parameters, momentum instead"));
    }
}
