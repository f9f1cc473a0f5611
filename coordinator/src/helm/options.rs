//! What a helm is made of.

use super::{PrecisionChoice, Tickets};
use crate::{display::Display, journal::Journal};
use checkpoint::Retention;
use chronicle::Chronicle;
use config::RunConfig;
use inference::Engine;
use plan::Timeouts;
use std::path::PathBuf;
use steering::{Options, Start};
use telemetry::Telemetry;
use tokio::sync::watch;

/// What the helm is made of.
pub struct HelmOptions {
    /// The run's configuration.
    pub config: RunConfig,
    /// How the run is steered.
    pub options: Options,
    /// Where it begins.
    pub start: Start,
    /// The id that journal, manifests and clients know the run by.
    pub run_id: String,
    /// Who decides the precision.
    pub precision: PrecisionChoice,
    /// Whether workers of different kinds may take part together.
    pub allow_mixed: bool,
    /// How long things are waited for.
    pub timeouts: Timeouts,
    /// Which states may be sent.
    pub tickets: Tickets,
    /// Its directory.
    pub run_dir: PathBuf,
    /// Where decisions are recorded before workers are told of them.
    pub journal: Journal,
    /// What the run has been through, for those who look at it.
    pub chronicle: watch::Sender<Chronicle>,
    /// Which checkpoints stay.
    pub retention: Retention,
    /// Who answers predictions.
    pub engine: Engine,
    /// Where spans of the run go.
    pub telemetry: Telemetry,
    /// What a person looks at.
    pub display: Display,
    /// Name and test accuracy of the newest checkpoint, before the first new one.
    pub newest: Option<(String, Option<f64>)>,
    /// Of that checkpoint's weights; empty without one.
    pub weights_sha256: String,
    /// Workers that somebody wants. With fewer the run is degraded.
    pub wanted: usize,
}
