//! Who takes part.

use crate::family;
use prometheus_client::{encoding::EncodeLabelSet, registry::Registry};
use proto::v1::Worker;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Role {
    role: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Name {
    worker: String,
}

/// What a worker can be to the run.
const ROLES: [&str; 4] = ["member", "spare", "preparing", "set_aside"];

/// Adds what is known of `workers`.
pub fn register(registry: &mut Registry, workers: &[Worker]) {
    let count = |role| workers.iter().filter(|worker| role_of(worker) == role).count() as f64;
    let counts = ROLES.map(|role| (Role { role }, count(role)));
    family(registry, "workers", "Workers that are attached, by what they are to the run", counts);
    let each = |of: fn(&Worker) -> f64| {
        workers.iter().map(move |worker| (Name { worker: worker.name.clone() }, of(worker))).collect::<Vec<_>>()
    };
    let help = "What a worker computes itself in a step, a mean over the last steps";
    family(registry, "worker_step_compute_seconds", help, each(|worker| worker.compute_seconds));
    let help = "What a worker waits for others in a step, a mean over the last steps";
    family(registry, "worker_step_wait_seconds", help, each(|worker| worker.wait_seconds));
    let help = "Since the last sign of life of a worker";
    family(registry, "worker_silence_seconds", help, each(|worker| worker.last_seen_ms as f64 / 1e3));
    let help = "Failures in a row of a worker";
    family(registry, "worker_strikes", help, each(|worker| f64::from(worker.strikes)));
}

fn role_of(worker: &Worker) -> &'static str {
    match worker {
        _ if worker.back_in_seconds.is_some() => "set_aside",
        _ if worker.preparing => "preparing",
        _ if worker.rank.is_some() => "member",
        _ => "spare",
    }
}
