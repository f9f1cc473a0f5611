//! The learning rates of an epoch.

use thiserror::Error;

/// The learning rate of every step of an epoch. None can be missing, and each is a number.
#[derive(Debug, Clone, PartialEq)]
pub struct Rates {
    /// One for all steps, or one a step.
    list: Vec<f64>,
}

/// Numbers that are no rates of an epoch.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum BadRates {
    /// A rate is no number.
    #[error("the learning rate of step {step} is {rate}")]
    NoNumber {
        /// The step of the epoch, counted from 0.
        step: usize,
        /// The value that came.
        rate: f64,
    },
    /// There are too few or too many.
    #[error("there are {got} learning rates for {steps} steps")]
    Count {
        /// How many there are.
        got: usize,
        /// How many steps the epoch has.
        steps: u32,
    },
}

impl Rates {
    /// Rates of an epoch of so many steps: one for all of them, or one a step.
    ///
    /// # Errors
    /// If there is another number of them, or one is no finite number.
    pub fn new(list: Vec<f64>, steps: u32) -> Result<Self, BadRates> {
        if list.is_empty() || (list.len() != 1 && list.len() != steps as usize) {
            return Err(BadRates::Count { got: list.len(), steps });
        }
        match list.iter().enumerate().find(|(_, rate)| !rate.is_finite()) {
            Some((step, rate)) => Err(BadRates::NoNumber { step, rate: *rate }),
            None => Ok(Self { list }),
        }
    }

    /// The rate of `step`; past the last one, that of the last.
    #[must_use]
    pub fn of_step(&self, step: u32) -> f64 {
        self.list[(step as usize).min(self.list.len() - 1)]
    }

    /// The rate of the last step.
    #[must_use]
    pub fn last(&self) -> f64 {
        self.list[self.list.len() - 1]
    }

    /// One for all steps, or one a step.
    #[must_use]
    pub fn list(&self) -> &[f64] {
        &self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_a_rate_that_is_a_number() {
        assert_eq!(Rates::new(vec![0.1], 9).map(|rates| rates.of_step(7)), Ok(0.1));
        let rates = Rates::new(vec![0.1, 0.2], 2).unwrap();
        assert_eq!((rates.of_step(0), rates.of_step(1), rates.last()), (0.1, 0.2, 0.2));
        for wrong in [vec![], vec![0.1, 0.2], vec![0.1; 4]] {
            let got = wrong.len();
            assert_eq!(Rates::new(wrong, 3), Err(BadRates::Count { got, steps: 3 }));
        }
        assert!(matches!(Rates::new(vec![f64::NAN], 3), Err(BadRates::NoNumber { step: 0, .. })));
    }
}
