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
pub use training::{SAVED, TrainingService};

use crate::{
    helm::{Declined, Refusal, RefusalKind},
    predict::{PictureError, PredictError},
};
use std::time::Duration;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// When a request may be tried again that came while too many others were.
const AGAIN: Duration = Duration::from_secs(1);

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

impl From<Declined> for Status {
    fn from(declined: Declined) -> Self {
        match declined {
            Declined::Over(why) => too_late(&format!("the run is over, or ends now: {why}")),
            Declined::Nothing => too_late("there is no state to be saved: nothing was trained yet"),
            Declined::Unsaved(why) => Self::unavailable(format!("the state could not be saved: {why}")),
            Declined::Busy => {
                let details = ErrorDetails::with_retry_info(Some(AGAIN));
                Self::with_error_details(Code::ResourceExhausted, "too many ask for the same", details)
            }
        }
    }
}

/// The status of a request of which the field `field` is wrong.
fn wrong_argument(field: &str, why: &str) -> Status {
    let details = ErrorDetails::with_bad_request_violation(field, why);
    Status::with_error_details(Code::InvalidArgument, format!("{field}: {why}"), details)
}

/// The status of a request that the run is in no state for.
fn too_late(why: &str) -> Status {
    let details = ErrorDetails::with_precondition_failure_violation("STATE", "run", why);
    Status::with_error_details(Code::FailedPrecondition, why, details)
}

/// The status of a call that comes when the run is over.
fn over() -> Status {
    Status::unavailable("the run is over, and this coordinator is ending")
}
