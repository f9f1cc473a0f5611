//! Models that were asked for by name, and may be again.

use crate::model::Model;
use std::{collections::VecDeque, rc::Rc};

/// Models that were asked for by name. Beyond some bytes, those that nobody has asked for the longest go.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The one that was asked for last is last.
    models: VecDeque<Rc<Model>>,
    bytes: usize,
}

impl Kept {
    /// Of so many bytes at the most, and of at least one model.
    pub fn new(bytes: usize) -> Self {
        Self { models: VecDeque::new(), bytes }
    }

    /// The model `name`, if it is there.
    pub fn get(&mut self, name: &str) -> Option<Rc<Model>> {
        let model = self.take(name)?;
        self.models.push_back(Rc::clone(&model));
        Some(model)
    }

    /// Adds `model`, in the place of one of its name.
    pub fn add(&mut self, model: Rc<Model>) {
        self.take(&model.name);
        self.models.push_back(model);
        while self.models.len() > 1 && self.models.iter().map(|model| model.bytes()).sum::<usize>() > self.bytes {
            self.models.pop_front();
        }
    }

    /// Takes out the model `name`.
    pub fn take(&mut self, name: &str) -> Option<Rc<Model>> {
        let index = self.models.iter().position(|model| model.name == name)?;
        self.models.remove(index)
    }
}
