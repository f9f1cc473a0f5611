//! Epochs, compactly: a list of numbers for each figure, as charts take them.

use serde::Serialize;
use steering::EpochRecord;

/// Figures of epochs. Fractions are 0 to 1, times are in seconds; a number that is none is null.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Columns<'a> {
    /// From 0.
    epoch: Vec<u32>,
    train_loss: Vec<f64>,
    train_accuracy: Vec<f64>,
    test_loss: Vec<f64>,
    test_accuracy: Vec<f64>,
    learning_rate: Vec<f64>,
    seconds: Vec<f64>,
    images_per_second: Vec<f64>,
    /// What the schedule did.
    note: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    pub(crate) fn of(records: &'a [EpochRecord]) -> Self {
        let numbers = |of: fn(&EpochRecord) -> f64| records.iter().map(of).collect();
        Self {
            epoch: records.iter().map(|record| record.epoch).collect(),
            train_loss: numbers(|record| record.train_loss),
            train_accuracy: numbers(|record| record.train_accuracy),
            test_loss: numbers(|record| record.test_loss),
            test_accuracy: numbers(|record| record.test_accuracy),
            learning_rate: numbers(|record| record.lr),
            seconds: numbers(|record| record.seconds),
            images_per_second: numbers(|record| record.images_per_second),
            note: records.iter().map(|record| record.note.as_deref()).collect(),
        }
    }
}
