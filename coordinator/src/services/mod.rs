//! The gRPC services.

mod admission;
mod cluster;
mod deadline;
mod inference;
mod training;

pub use admission::{Admission, LARGEST_MESSAGE};
pub use cluster::{ClusterOptions, ClusterService};
pub use deadline::Timely;
pub use inference::InferenceService;
pub use training::TrainingService;

use crate::{
    helm::{Refusal, RefusalKind},
    predict::{PictureError, PredictError},
};
use tonic::Status;

// The one table from errors to gRPC status.

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        match refusal.kind {
            RefusalKind::Unfit => Self::failed_precondition(refusal.reason),
            RefusalKind::Duplicate => Self::already_exists(refusal.reason),
            RefusalKind::ForNow => Self::unavailable(refusal.reason),
        }
    }
}

impl From<PictureError> for Status {
    fn from(error: PictureError) -> Self {
        match error {
            PictureError::Busy => Self::resource_exhausted(error.to_string()),
            _ => Self::invalid_argument(error.to_string()),
        }
    }
}

impl From<PredictError> for Status {
    fn from(error: PredictError) -> Self {
        match error {
            PredictError::NoCheckpoint | PredictError::Ending => Self::unavailable(error.to_string()),
            PredictError::Busy => Self::resource_exhausted(error.to_string()),
            PredictError::Model(_) => Self::internal(error.to_string()),
        }
    }
}

/// The status of a call that comes when the run is over.
fn over() -> Status {
    Status::unavailable("the run is over, and this coordinator is ending")
}
