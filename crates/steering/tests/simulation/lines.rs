//! The lines of workers: they can stand still for a time.

use super::Cluster;
use steering::{Event, WorkerId};

impl Cluster {
    /// Nothing that a worker says comes for so many advances. States have connections of their own.
    pub fn stall_line(&mut self, worker: WorkerId, advances: u32) {
        self.late.entry(worker).or_insert((advances, Vec::new()));
    }

    /// What comes at once.
    pub(super) fn on_its_way(&mut self, worker: WorkerId, event: Event) -> Option<(WorkerId, Event)> {
        let beside =
            matches!(event, Event::StateArrived { .. } | Event::UploadMoved { .. } | Event::UploadFailed { .. });
        match self.late.get_mut(&worker) {
            _ if matches!(event, Event::Detached { .. }) => self.late.remove(&worker).map_or((), drop),
            Some((_, words)) if !beside => {
                words.push(event);
                return None;
            }
            _ => {}
        }
        Some((worker, event))
    }

    /// Lines that stood still for long enough move again.
    pub(super) fn let_lines_move(&mut self) {
        let mut over = Vec::new();
        for (worker, (advances, _)) in &mut self.late {
            *advances = advances.saturating_sub(1);
            if *advances == 0 {
                over.push(*worker);
            }
        }
        for worker in over {
            for event in self.late.remove(&worker).map(|(_, words)| words).unwrap_or_default() {
                self.handle(worker, event);
            }
        }
    }

    pub fn let_all_lines_move(&mut self) {
        self.late.values_mut().for_each(|(advances, _)| *advances = 1);
        self.let_lines_move();
    }
}
