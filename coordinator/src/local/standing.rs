//! How local workers stand, and whether a run may still hope for them.

use proto::v1::{self, RunState};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How a worker stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is being started.
    Starting,
    /// It ended before it could train, and is started again.
    Failing(String),
    /// It is of no use to start it again.
    GivenUp(String),
    /// It trains.
    Well,
}

/// The standings of all local workers. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Standings(Arc<Mutex<BTreeMap<String, Standing>>>);

impl Standings {
    /// Says how `name` stands.
    pub(super) fn set(&self, name: &str, standing: Standing) {
        self.lock().insert(name.to_owned(), standing);
    }

    /// How `name` stands.
    pub(super) fn get(&self, name: &str) -> Option<Standing> {
        self.lock().get(name).cloned()
    }

    /// What is wrong; empty if nothing is.
    pub(super) fn trouble(&self) -> String {
        let standings = self.lock();
        let wrong = standings.values().filter_map(|standing| match standing {
            Standing::Failing(why) | Standing::GivenUp(why) => Some(why.as_str()),
            Standing::Starting | Standing::Well => None,
        });
        wrong.collect::<Vec<_>>().join("; ")
    }

    /// Why `run`, which needs so many workers, waits in vain: fewer are there or may still come.
    pub(super) fn hopeless(&self, run: &v1::Run, needed: usize) -> Option<String> {
        if run.state() != RunState::Waiting {
            return None;
        }
        let standings = self.lock();
        let given_up = standings.values().find_map(|standing| match standing {
            Standing::GivenUp(why) => Some(why.clone()),
            _ => None,
        })?;
        let attached = |name: &str| run.workers.iter().any(|worker| worker.name == name);
        let coming =
            standings.iter().filter(|(name, standing)| !matches!(standing, Standing::GivenUp(_)) && !attached(name));
        (run.workers.len() + coming.count() < needed).then_some(given_up)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(state: RunState, workers: &[&str]) -> v1::Run {
        let workers = workers.iter().map(|name| v1::Worker { name: (*name).to_owned(), ..v1::Worker::default() });
        let mut run = v1::Run { workers: workers.collect(), ..v1::Run::default() };
        run.set_state(state);
        run
    }

    #[test]
    fn a_run_ends_only_if_it_waits_for_those_that_cannot_come() {
        let standings = Standings::default();
        standings.set("local-0", Standing::Failing("local-0 fails".to_owned()));
        standings.set("local-1", Standing::Starting);
        let waiting = |workers: &[&str]| run(RunState::Waiting, workers);
        assert_eq!(standings.hopeless(&waiting(&[]), 2), None);
        assert_eq!(standings.trouble(), "local-0 fails");

        standings.set("local-0", Standing::GivenUp("local-0 cannot".to_owned()));
        assert_eq!(standings.hopeless(&waiting(&[]), 2), Some("local-0 cannot".to_owned()));
        assert_eq!(standings.hopeless(&waiting(&["local-1"]), 2), Some("local-0 cannot".to_owned()));
        // Others do the work, or will.
        assert_eq!(standings.hopeless(&waiting(&[]), 1), None);
        assert_eq!(standings.hopeless(&waiting(&["local-1", "far"]), 2), None);
        assert_eq!(standings.hopeless(&run(RunState::Training, &["local-1"]), 2), None);

        standings.set("local-0", Standing::Well);
        assert_eq!((standings.hopeless(&waiting(&[]), 2), standings.trouble()), (None, String::new()));
    }
}
