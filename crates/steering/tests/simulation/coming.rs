//! Workers that come and are killed.

use super::{Cluster, Illness, Worker};
use std::time::Duration;
use steering::{Event, WorkerId};

impl Cluster {
    /// A worker comes that has all it needs.
    pub fn attach(&mut self) {
        let worker = self.attach_unprepared();
        self.prepare(worker);
    }

    /// A worker comes that is ill.
    pub fn attach_ill(&mut self, illness: Illness) -> WorkerId {
        let worker = self.attach_unprepared();
        if let Some(known) = self.workers.get_mut(&worker) {
            known.illness = Some(illness);
            self.withheld |= !known.gives();
        }
        self.prepare(worker);
        worker
    }

    /// A worker comes that has to get the data set first.
    pub fn attach_unprepared(&mut self) -> WorkerId {
        let worker = self.next;
        self.next += 1;
        self.workers.insert(worker, Worker::default());
        self.greet(worker);
        worker
    }

    /// A worker says once that it is prepared, until it is set aside or attaches anew.
    pub fn prepare(&mut self, worker: WorkerId) {
        let now = self.now;
        if let Some(known) = self.workers.get_mut(&worker)
            && !known.prepared
            && known.aside_until.is_none_or(|until| until <= now)
        {
            known.prepared = true;
            known.aside_until = None;
            let stretch = known.rehearsed();
            self.handle(worker, Event::Prepared { stretch, shard: Duration::ZERO });
        }
    }

    pub fn prepare_all(&mut self) {
        for worker in self.workers.keys().copied().collect::<Vec<_>>() {
            if self.ending.is_none() && self.workers.get(&worker).is_some_and(|worker| !worker.prepared) {
                self.prepare(worker);
            }
        }
    }

    pub(super) fn greet(&mut self, worker: WorkerId) {
        let (name, host) = (format!("w{worker}"), "127.0.0.1".to_owned());
        let known = &self.workers[&worker];
        let (held, generation) = (known.description(), known.generation);
        let (prepared, stretch) = (known.prepared, known.rehearsed());
        self.handle(worker, Event::Attached { name, host, held, generation });
        if prepared {
            self.handle(worker, Event::Prepared { stretch, shard: Duration::ZERO });
        }
    }

    pub fn detach(&mut self, worker: WorkerId) {
        self.detach_all(&[worker]);
    }

    /// Workers are killed, all in one moment.
    pub fn detach_all(&mut self, workers: &[WorkerId]) {
        let gone: Vec<WorkerId> =
            workers.iter().copied().filter(|worker| self.workers.remove(worker).is_some()).collect();
        let detached = |worker| (worker, Event::Detached { cause: "killed".to_owned() });
        self.handle_all(gone.into_iter().map(detached).collect());
    }
}
