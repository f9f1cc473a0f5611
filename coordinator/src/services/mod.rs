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

use crate::helm::{Refusal, RefusalKind};
use ::inference::{PictureError, PredictError};
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

/// Of a picture that gets no answer.
fn bad_picture(error: &PictureError) -> Status {
    match error {
        PictureError::Busy => Status::resource_exhausted(error.to_string()),
        _ => Status::invalid_argument(error.to_string()),
    }
}

/// Of a request that gets no answer.
fn unanswered(error: &PredictError) -> Status {
    match error {
        PredictError::NoCheckpoint | PredictError::Ending => Status::unavailable(error.to_string()),
        PredictError::Busy => Status::resource_exhausted(error.to_string()),
        PredictError::Model(_) => Status::internal(error.to_string()),
    }
}

/// The status of a call that comes when the run is over.
fn over() -> Status {
    Status::unavailable("the run is over, and this coordinator is ending")
}
