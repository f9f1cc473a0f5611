//! Which workers have been here, so that people are told of those that come back.

use std::collections::HashSet;

/// The most names that are kept. Who comes after so many others is not known again.
const MOST: usize = 10_000;

/// The names of workers that have been attached.
#[derive(Debug, Default)]
pub struct Guests(HashSet<String>);

impl Guests {
    /// Takes notice of a worker that attaches. True if it was here before, or with an `earlier` coordinator of the run.
    pub fn comes(&mut self, name: &str, earlier: bool) -> bool {
        if self.0.contains(name) {
            return true;
        }
        if self.0.len() < MOST {
            self.0.insert(name.to_owned());
        }
        earlier
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_here_comes_back() {
        let mut guests = Guests::default();
        assert!(!guests.comes("a", false) && guests.comes("a", false));
        assert!(guests.comes("b", true), "it holds a state of the run");
        for number in 0..2 * MOST {
            guests.comes(&number.to_string(), false);
        }
        assert_eq!(guests.0.len(), MOST);
        assert!(guests.comes("a", false));
    }
}
