//! The precision of the run, where `--precision auto` leaves it to the workers.

use crate::{helm::Helm, journal::Entry, summary};
use plan::Precision;
use proto::v1;

/// Who decides the precision in which a run computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrecisionChoice {
    /// The first worker that is prepared.
    Open,
    /// A worker has decided. Another may decide once more while nobody is prepared and nothing is saved.
    Chosen,
    /// It was given, or something of the training is saved.
    Fixed,
}

impl Helm {
    /// Whether a worker of this name would choose the precision: it is left open, and nobody else is prepared.
    pub(super) fn may_choose(&self, name: &str) -> bool {
        self.precision != PrecisionChoice::Fixed && self.prepared(name).next().is_none()
    }

    /// Decides what `--precision auto` leaves open. It stays open until something of the training is saved.
    pub(super) fn choose_precision(&mut self, precision: Precision, why: &str) {
        let known = std::mem::replace(&mut self.precision, PrecisionChoice::Chosen) == PrecisionChoice::Chosen;
        if known && precision == self.config.precision {
            return;
        }
        self.config.precision = precision;
        self.note(&format!("precision {precision}: {why}"));
        self.gate = self.recorder.record(Entry::Run { id: self.run_id.clone(), config: Box::new(self.config.clone()) });
        self.saver.set_config(&self.run_id, &self.config);
        if let Err(error) = summary::write_config(&self.run_dir, &self.config) {
            // The journal has it too, and the next start writes it from there.
            tracing::warn!("{error}");
        }
    }
}

/// The precision in which a worker computes if it is left to choose.
pub(super) fn precision_of(hello: &v1::Hello) -> Precision {
    if hello.bf16 { Precision::Bf16 } else { Precision::Fp32 }
}
