//! What has happened so far, over all coordinators of the run.

use chronicle::Chronicle;
use prometheus_client::{metrics::counter::Counter, registry::Registry};

/// Adds what is counted in `chronicle`.
pub fn register(registry: &mut Registry, chronicle: &Chronicle) {
    let counts = [
        ("epochs", "Epochs that are done", chronicle.epochs().len()),
        ("recoveries", "Failures that the run survived", chronicle.recoveries().len()),
        ("checkpoints", "Checkpoints that were written", chronicle.checkpoints().len()),
    ];
    for (name, help, count) in counts {
        let counter: Counter = Counter::default();
        counter.inc_by(count as u64);
        registry.register(name, help, counter);
    }
}
