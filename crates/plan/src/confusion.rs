//! Counts of answers by class.

use serde::{Deserialize, Serialize};

/// How many images of each class were taken for which: a square of counts, `counts[classes * truth + answer]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u32>")]
pub struct Confusion(Vec<u32>);

impl TryFrom<Vec<u32>> for Confusion {
    type Error = String;

    fn try_from(counts: Vec<u32>) -> Result<Self, String> {
        let found = counts.len();
        Self::from_counts(counts).ok_or_else(|| format!("{found} counts by class, which are no square"))
    }
}

impl Confusion {
    /// No images yet, of so many classes.
    #[must_use]
    pub fn new(classes: usize) -> Self {
        Self(vec![0; classes * classes])
    }

    /// Counts as they came over the wire. `None` unless they are a square.
    #[must_use]
    pub fn from_counts(counts: Vec<u32>) -> Option<Self> {
        let side = counts.len().isqrt();
        (side > 0 && side * side == counts.len()).then_some(Self(counts))
    }

    /// How many classes there are.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.0.len().isqrt()
    }

    /// The counts, row-major.
    #[must_use]
    pub fn counts(&self) -> &[u32] {
        &self.0
    }

    /// Counts one image of class `truth` that was taken for `answer`.
    ///
    /// # Panics
    /// If either is no class.
    pub fn count(&mut self, truth: usize, answer: usize) {
        let classes = self.classes();
        assert!(truth < classes && answer < classes, "a class is below {classes}");
        self.0[classes * truth + answer] += 1;
    }

    /// Adds the counts of `other`.
    ///
    /// # Panics
    /// If it has other classes.
    pub fn add(&mut self, other: &Self) {
        assert_eq!(self.0.len(), other.0.len(), "counts of the same classes");
        for (sum, count) in self.0.iter_mut().zip(&other.0) {
            *sum += count;
        }
    }

    /// All images counted.
    #[must_use]
    pub fn images(&self) -> u64 {
        self.0.iter().map(|count| u64::from(*count)).sum()
    }

    /// Images taken for what they are.
    #[must_use]
    pub fn correct(&self) -> u64 {
        self.0.iter().step_by(self.classes() + 1).map(|count| u64::from(*count)).sum()
    }

    /// For each class, the fraction of its images taken for what they are; 0 for a class without images.
    #[must_use]
    pub fn per_class_accuracy(&self) -> Vec<f64> {
        self.0
            .chunks(self.classes())
            .enumerate()
            .map(|(class, row)| f64::from(row[class]) / f64::from(row.iter().sum::<u32>().max(1)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_survive_json_all_of_them_or_none() {
        let mut confusion = Confusion::new(10);
        confusion.count(3, 5);
        let json = serde_json::to_string(&confusion).unwrap();
        assert_eq!(serde_json::from_str::<Confusion>(&json).unwrap(), confusion);
        let error = serde_json::from_str::<Confusion>("[1,2]").unwrap_err().to_string();
        assert!(error.starts_with("2 counts by class"), "{error}");
    }

    #[test]
    fn counts_and_fractions() {
        let mut confusion = Confusion::new(10);
        confusion.count(3, 3);
        confusion.count(3, 5);
        confusion.count(9, 9);
        assert_eq!((confusion.images(), confusion.correct()), (3, 2));
        let per_class = confusion.per_class_accuracy();
        assert_eq!((per_class[3], per_class[9], per_class[0]), (0.5, 1.0, 0.0));
    }
}
