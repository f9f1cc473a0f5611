//! What a run has been through, as a value.

use crate::fact::{Checkpoint, Event, Fact, Generation, Told};
use serde_json::Value;
use std::collections::VecDeque;
use steering::{EpochRecord, Recovery};

/// The events that are kept in memory: the newest.
const EVENTS: usize = 10_000;
/// The generations, recoveries and checkpoints that are kept in memory, of each the newest.
const OTHERS: usize = 10_000;
/// The names of members that are kept with generations, of all together.
const NAMES: usize = 100_000;
/// The alerts that are kept in memory: the newest.
const ALERTS: usize = 500;

/// What a run has been through. Of a run in which very much happened, only the newest of each kind is kept; epochs are all kept.
#[derive(Debug, Clone, Default)]
pub struct Chronicle {
    id: String,
    config: Value,
    epochs: Vec<EpochRecord>,
    generations: VecDeque<Generation>,
    checkpoints: VecDeque<Checkpoint>,
    recoveries: VecDeque<Recovery>,
    events: VecDeque<Event>,
    /// The number of the next event.
    next_event: u64,
    alerts: VecDeque<Told>,
    /// The number of the next alert.
    next_alert: u64,
    /// Of the members of all generations that are kept.
    names: usize,
    /// Grows with every fact.
    version: u64,
}

impl Chronicle {
    /// Adds what happened at `at`, in seconds since 1970.
    pub fn add(&mut self, at: f64, fact: Fact) {
        self.version += 1;
        match fact {
            Fact::Run { id, config } => (self.id, self.config) = (id, config),
            Fact::Generation { generation, members, reason } => {
                self.names += members.len();
                self.generations.push_back(Generation { generation, members, reason, at });
                self.drop_oldest_generations();
            }
            Fact::Epoch(record) => {
                self.epochs.retain(|known| known.epoch != record.epoch);
                let place = self.epochs.partition_point(|known| known.epoch < record.epoch);
                self.epochs.insert(place, *record);
            }
            Fact::Rewind { epoch } => self.epochs.retain(|record| record.epoch < epoch),
            Fact::Checkpoint { name, steps_done } => {
                self.checkpoints.retain(|known| known.name != name);
                push(&mut self.checkpoints, OTHERS, Checkpoint { name, steps_done, at });
            }
            Fact::Recovery(recovery) => push(&mut self.recoveries, OTHERS, recovery),
            Fact::Event(text) => {
                push(&mut self.events, EVENTS, Event { number: self.next_event, at, text });
                self.next_event += 1;
            }
            Fact::Alert(alert) => {
                push(&mut self.alerts, ALERTS, Told { number: self.next_alert, at, alert });
                self.next_alert += 1;
            }
        }
    }

    /// The newest stays, however many members it has.
    fn drop_oldest_generations(&mut self) {
        while self.generations.len() > OTHERS || (self.names > NAMES && self.generations.len() > 1) {
            let oldest = self.generations.pop_front();
            self.names -= oldest.map_or(0, |oldest| oldest.members.len());
        }
    }

    /// The run's id; empty before the run is recorded.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// All that decides the weights, as in config.json; null before the run is recorded.
    #[must_use]
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// The epochs that are done, in their order.
    #[must_use]
    pub fn epochs(&self) -> &[EpochRecord] {
        &self.epochs
    }

    /// The generations, oldest first.
    #[must_use]
    pub fn generations(&self) -> impl DoubleEndedIterator<Item = &Generation> + ExactSizeIterator {
        self.generations.iter()
    }

    /// The checkpoints that were written, oldest first. Some may have been removed since.
    #[must_use]
    pub fn checkpoints(&self) -> impl DoubleEndedIterator<Item = &Checkpoint> + ExactSizeIterator {
        self.checkpoints.iter()
    }

    /// The failures that were survived, oldest first.
    #[must_use]
    pub fn recoveries(&self) -> impl DoubleEndedIterator<Item = &Recovery> + ExactSizeIterator {
        self.recoveries.iter()
    }

    /// The events, oldest first.
    #[must_use]
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &Event> + ExactSizeIterator {
        self.events.iter()
    }

    /// The events from number `first` on, oldest first.
    #[must_use]
    pub fn events_from(&self, first: u64) -> impl DoubleEndedIterator<Item = &Event> + ExactSizeIterator {
        let place = self.events.partition_point(|event| event.number < first);
        self.events.range(place..)
    }

    /// The number of the next event.
    #[must_use]
    pub fn next_event(&self) -> u64 {
        self.next_event
    }

    /// The alerts from number `first` on, oldest first. Those of an earlier coordinator are not kept.
    #[must_use]
    pub fn alerts_from(&self, first: u64) -> impl DoubleEndedIterator<Item = &Told> + ExactSizeIterator {
        let place = self.alerts.partition_point(|told| told.number < first);
        self.alerts.range(place..)
    }

    /// How many facts were added: two equal versions of one value hold the same.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }
}

/// Adds `item`, and drops the oldest of more than `most`.
fn push<T>(items: &mut VecDeque<T>, most: usize, item: T) {
    if items.len() >= most {
        items.pop_front();
    }
    items.push_back(item);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Alert;

    #[test]
    fn the_newest_events_are_kept_with_their_numbers() {
        let mut chronicle = Chronicle::default();
        for number in 0..EVENTS as u64 + 3 {
            chronicle.add(number as f64, Fact::Event(format!("event {number}")));
        }
        assert_eq!(chronicle.events().len(), EVENTS);
        let first = chronicle.events().next().map(|event| (event.number, event.text.as_str()));
        assert_eq!(first, Some((3, "event 3")));
        let last: Vec<u64> = chronicle.events_from(EVENTS as u64 + 1).map(|event| event.number).collect();
        assert_eq!(last, [EVENTS as u64 + 1, EVENTS as u64 + 2]);
        assert_eq!(chronicle.events_from(0).len(), EVENTS, "numbers that are gone are passed over");
        assert_eq!(chronicle.events_from(u64::MAX).len(), 0);
    }

    #[test]
    fn many_members_and_many_alerts_do_not_fill_the_memory() {
        let mut chronicle = Chronicle::default();
        let members: Vec<String> = (0..1000).map(|rank| format!("w{rank}")).collect();
        for generation in 0..300 {
            chronicle.add(0.0, Fact::Generation { generation, members: members.clone(), reason: String::new() });
            chronicle.add(0.0, Fact::Alert(Alert::default()));
            chronicle.add(0.0, Fact::Alert(Alert::default()));
        }
        let kept: Vec<u64> = chronicle.generations().map(|kept| kept.generation).collect();
        assert_eq!(kept, (200..300).collect::<Vec<_>>());
        let alerts: Vec<u64> = chronicle.alerts_from(0).map(|told| told.number).collect();
        assert_eq!(alerts, (100..600).collect::<Vec<_>>());
        assert_eq!(chronicle.alerts_from(599).len(), 1);
        let all = (0..200_000).map(|rank| rank.to_string()).collect();
        chronicle.add(0.0, Fact::Generation { generation: 300, members: all, reason: String::new() });
        assert_eq!(chronicle.generations().len(), 1);
    }

    #[test]
    fn a_checkpoint_that_is_written_again_is_there_once() {
        let mut chronicle = Chronicle::default();
        for (at, name, steps_done) in [(1.0, "a", 5), (2.0, "b", 6), (3.0, "a", 5)] {
            chronicle.add(at, Fact::Checkpoint { name: name.to_owned(), steps_done });
        }
        let names: Vec<(&str, f64)> = chronicle.checkpoints().map(|saved| (saved.name.as_str(), saved.at)).collect();
        assert_eq!(names, [("b", 2.0), ("a", 3.0)]);
    }
}
