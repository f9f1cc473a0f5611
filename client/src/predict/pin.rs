//! Which checkpoint answers: the one that answered first answers to the end, so that all answers can be compared.

use proto::v1::{Choice, ModelSelector, model_selector::Which};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The checkpoint that `--checkpoint` asks for.
pub(crate) fn selector(checkpoint: &str) -> ModelSelector {
    let which = match checkpoint {
        "newest" => Which::Newest(Choice {}),
        "best" => Which::Best(Choice {}),
        name => Which::Checkpoint(name.to_owned()),
    };
    ModelSelector { which: Some(which) }
}

/// What was asked for, and the checkpoint that has answered, if one has.
#[derive(Debug, Clone)]
pub(super) struct Pin {
    asked: String,
    pinned: Arc<Mutex<Option<String>>>,
}

impl Pin {
    /// For what `--checkpoint` asks.
    pub fn new(asked: &str) -> Self {
        Self { asked: asked.to_owned(), pinned: Arc::default() }
    }

    /// Which checkpoint is to answer next.
    pub fn selector(&self) -> ModelSelector {
        self.lock().as_deref().map_or_else(|| self.asked(), selector)
    }

    /// Which one was asked for.
    pub fn asked(&self) -> ModelSelector {
        selector(&self.asked)
    }

    /// The checkpoint that has answered, if it was not asked for by its name.
    pub fn pinned(&self) -> Option<String> {
        self.lock().clone().filter(|pinned| *pinned != self.asked)
    }

    /// Whether a checkpoint has answered.
    pub fn holds(&self) -> bool {
        self.lock().is_some()
    }

    /// Takes notice of the checkpoint that has answered, unless one has before.
    pub fn take(&self, checkpoint: &str) {
        self.lock().get_or_insert_with(|| checkpoint.to_owned());
    }

    /// Has `checkpoint` answer from now on instead of the one that is `gone`. False if that was replaced before.
    pub fn replace(&self, gone: &str, checkpoint: &str) -> bool {
        let mut pinned = self.lock();
        let is_first = pinned.as_deref() == Some(gone);
        if is_first {
            *pinned = Some(checkpoint.to_owned());
        }
        is_first
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_answers_answers_to_the_end() {
        let pin = Pin::new("best");
        assert_eq!((pin.selector(), pin.holds()), (selector("best"), false));
        pin.take("step-1");
        pin.take("step-2");
        assert_eq!((pin.selector(), pin.pinned().as_deref()), (selector("step-1"), Some("step-1")));
        assert!(pin.replace("step-1", "step-2") && !pin.replace("step-1", "step-3"));
        assert_eq!((pin.clone().selector(), pin.asked()), (selector("step-2"), selector("best")));
        let named = Pin::new("step-9");
        named.take("step-9");
        assert_eq!(named.pinned(), None, "there is no other to ask");
    }
}
