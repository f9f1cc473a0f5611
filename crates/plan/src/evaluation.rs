//! Evaluation in chunks that depend on the run alone, so that its sums are the same for any number of workers.

use crate::Confusion;
use std::{collections::BTreeMap, ops::Range};
use thiserror::Error;

/// Images of one chunk. It decides the bits of the loss, so it is a constant of the product, not an option.
const CHUNK: u32 = 250;

/// The chunks of a test set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunks {
    samples: u32,
}

impl Chunks {
    /// The chunks of `samples` test images.
    #[must_use]
    pub fn new(samples: u32) -> Self {
        Self { samples }
    }

    /// How many there are.
    #[must_use]
    pub fn count(self) -> u32 {
        self.samples.div_ceil(CHUNK)
    }

    /// The images of one; empty past the end.
    #[must_use]
    pub fn images(self, chunk: u32) -> Range<u32> {
        let at = |chunk: u32| chunk.saturating_mul(CHUNK).min(self.samples);
        at(chunk)..at(chunk.saturating_add(1))
    }
}

/// What one chunk gave.
#[derive(Debug, Clone, PartialEq)]
pub struct ChunkResult {
    /// Its number, counted from 0 over the test set.
    pub chunk: u32,
    /// The sum of its images' cross-entropies, in nats.
    pub loss: f64,
    /// Its answers.
    pub confusion: Confusion,
}

/// A chunk that does not fit the evaluation.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum EvaluationError {
    /// The chunk is counted already.
    #[error("chunk {chunk} was evaluated twice")]
    Twice {
        /// Its number, counted from 0 over the test set.
        chunk: u32,
    },
    /// The chunk does not exist or does not hold the images that it should.
    #[error("chunk {chunk} reports {images} images instead of {expected}")]
    WrongImages {
        /// Its number, counted from 0 over the test set.
        chunk: u32,
        /// As reported.
        images: u64,
        /// As the test set has them.
        expected: u32,
    },
    /// The answers are by other classes.
    #[error("chunk {chunk} reports answers by {classes} classes instead of {expected}")]
    WrongClasses {
        /// Its number, counted from 0 over the test set.
        chunk: u32,
        /// As reported.
        classes: usize,
        /// As the data set has them.
        expected: usize,
    },
}

/// The results of an evaluation as they come in, in any order.
#[derive(Debug, Clone)]
pub struct Evaluation {
    chunks: Chunks,
    classes: usize,
    results: BTreeMap<u32, ChunkResult>,
}

impl Evaluation {
    /// An evaluation of `samples` test images in so many classes.
    #[must_use]
    pub fn new(samples: u32, classes: usize) -> Self {
        Self { chunks: Chunks::new(samples), classes, results: BTreeMap::new() }
    }

    /// Takes one result.
    ///
    /// # Errors
    /// If the chunk was there already, or does not count the images it should by the classes it should. Nothing is changed then.
    pub fn insert(&mut self, result: ChunkResult) -> Result<(), EvaluationError> {
        let chunk = result.chunk;
        let expected = self.chunks.images(chunk).len() as u32;
        let images = result.confusion.images();
        if expected == 0 || images != u64::from(expected) {
            return Err(EvaluationError::WrongImages { chunk, images, expected });
        }
        let (classes, expected) = (result.confusion.classes(), self.classes);
        if classes != expected {
            return Err(EvaluationError::WrongClasses { chunk, classes, expected });
        }
        if self.results.contains_key(&chunk) {
            return Err(EvaluationError::Twice { chunk });
        }
        self.results.insert(chunk, result);
        Ok(())
    }

    /// Whether `chunk` is counted.
    #[must_use]
    pub fn has(&self, chunk: u32) -> bool {
        self.results.contains_key(&chunk)
    }

    /// Whether every image is counted.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.results.len() == self.chunks.count() as usize
    }

    /// The mean loss, with chunks added in their order, and all answers.
    #[must_use]
    pub fn result(&self) -> (f64, Confusion) {
        let mut loss = 0.0;
        let mut confusion = Confusion::new(self.classes);
        for result in self.results.values() {
            loss += result.loss;
            confusion.add(&result.confusion);
        }
        (loss / confusion.images().max(1) as f64, confusion)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn result(chunks: Chunks, chunk: u32) -> ChunkResult {
        let mut confusion = Confusion::new(10);
        for image in chunks.images(chunk) {
            confusion.count(image as usize % 10, (image as usize / 3) % 10);
        }
        ChunkResult { chunk, loss: 1.0 / f64::from(chunk + 3), confusion }
    }

    proptest! {
        #[test]
        fn any_order_gives_the_same_digits(samples in 1..5000_u32, rotation in 0..20_u32) {
            let chunks = Chunks::new(samples);
            let mut evaluations = [Evaluation::new(samples, 10), Evaluation::new(samples, 10)];
            for i in 0..chunks.count() {
                prop_assert!(!evaluations[0].is_complete());
                evaluations[0].insert(result(chunks, i)).unwrap();
                evaluations[1].insert(result(chunks, (i + rotation) % chunks.count())).unwrap();
            }
            prop_assert!(evaluations[0].is_complete());
            prop_assert_eq!(evaluations[0].result(), evaluations[1].result());
            prop_assert_eq!(evaluations[0].result().1.images(), u64::from(samples));
        }
    }

    #[test]
    fn nothing_counts_twice() {
        let chunks = Chunks::new(600);
        let mut evaluation = Evaluation::new(600, 10);
        evaluation.insert(result(chunks, 2)).unwrap();
        assert_eq!(evaluation.insert(result(chunks, 2)), Err(EvaluationError::Twice { chunk: 2 }));
        let wrong = ChunkResult { chunk: 0, ..result(chunks, 2) };
        let error = evaluation.insert(wrong).unwrap_err();
        assert_eq!(error, EvaluationError::WrongImages { chunk: 0, images: 100, expected: 250 });
    }
}
