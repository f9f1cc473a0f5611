//! Finished epochs, in the article's wording.

use crate::duration;
use proto::v1::{Epoch, Run};

/// `Epoch [  1/ 20]  Train Loss:…`, of a run of so many `epochs`.
#[must_use]
pub fn epoch_line(epoch: &Epoch, epochs: u32) -> String {
    format!(
        "Epoch [{:3}/{epochs:3}]  Train Loss:{:.4}  Train Acc:{:.2}%  Test Loss:{:.4}  Test Acc:{:.2}%  \
         Learning Rate:{:.6}  Time {}",
        u64::from(epoch.epoch) + 1,
        epoch.train_loss,
        100.0 * epoch.train_accuracy,
        epoch.test_loss,
        100.0 * epoch.test_accuracy,
        epoch.learning_rate,
        duration(epoch.seconds),
    )
}

/// How many epochs of `run` are done. It tells of the newest of them only.
#[must_use]
pub fn epochs_done(run: &Run) -> u32 {
    run.epochs.last().map_or(0, |last| last.epoch.saturating_add(1))
}

/// The lines of the epochs after the first `told`, as far as `run` tells of them.
#[must_use]
pub fn epochs_after(run: &Run, told: u32) -> Vec<String> {
    let epochs = run.total_epochs();
    run.epochs.iter().filter(|epoch| epoch.epoch >= told).map(|epoch| epoch_line(epoch, epochs)).collect()
}

/// The lines of the last `count` epochs.
#[must_use]
pub fn last_epochs(run: &Run, count: usize) -> Vec<String> {
    let epochs = run.total_epochs();
    let skipped = run.epochs.len().saturating_sub(count);
    run.epochs.iter().skip(skipped).map(|epoch| epoch_line(epoch, epochs)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_articles_line() {
        let epoch = Epoch {
            epoch: 0,
            train_loss: 1.506_218,
            train_accuracy: 0.452_34,
            test_loss: 1.234_56,
            test_accuracy: 0.56,
            learning_rate: 0.1,
            seconds: 187.0,
            ..Epoch::default()
        };
        assert_eq!(
            epoch_line(&epoch, 20),
            "Epoch [  1/ 20]  Train Loss:1.5062  Train Acc:45.23%  Test Loss:1.2346  Test Acc:56.00%  \
             Learning Rate:0.100000  Time 3m07s"
        );
    }

    #[test]
    fn epochs_that_were_told_of_are_not_told_again() {
        let epochs = (7..10).map(|epoch| Epoch { epoch, ..Epoch::default() }).collect();
        let run = Run { epochs, ..Run::default() };
        let told = [0, 7, 9, 10, 20].map(|told| epochs_after(&run, told).len());
        assert_eq!((told, epochs_done(&run), epochs_done(&Run::default())), ([3, 3, 1, 0, 0], 10, 0));
    }
}
