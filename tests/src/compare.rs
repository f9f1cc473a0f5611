//! Whether two runs came to the same.

use crate::Ended;
use serde_json::Value;

/// Asserts the same weights and figures, and every sample of every epoch counted once.
///
/// # Panics
/// If they are not.
pub fn assert_same(ended: &Ended, expected: &Ended) {
    assert_eq!(ended.weights(), expected.weights(), "{}", ended.log);
    let (summary, undisturbed) = (ended.summary(), expected.summary());
    for figure in ["epochs", "steps", "train_images", "test_accuracy", "test_loss", "per_class_accuracy"] {
        assert_eq!(summary[figure], undisturbed[figure], "{figure}");
    }
    assert_eq!(epochs(ended), epochs(expected), "{}", ended.log);
}

fn epochs(ended: &Ended) -> Vec<[Value; 3]> {
    let figures = ["epoch", "train_images", "train_loss"];
    ended.metrics().iter().map(|row| figures.map(|figure| row[figure].clone())).collect()
}
