//! The gRPC services.

mod admission;
mod cluster;
mod deadline;
mod fields;
mod inference;
mod messages;
mod open_inference;
mod pace;
mod patience;
mod predictor;
mod stream;
mod training;

pub use admission::{Admission, COPIES, LARGEST_MESSAGE, requests};
pub use cluster::{ClusterOptions, ClusterService};
pub use deadline::Timely;
pub use inference::InferenceService;
pub use open_inference::StandardBackend;
pub(crate) use pace::{Pace, too_slow};
pub(crate) use patience::Patience;
pub use predictor::Predictor;
pub use training::{SAVED, TrainingService};

use crate::helm::{Declined, Refusal, RefusalKind};
use ::inference::{PictureError, PredictError};
use std::{collections::HashMap, time::Duration};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// Whose reasons those of errors are.
const DOMAIN: &str = "coxswain";
/// When it is worth to try again where a checkpoint is missing.
const NEXT_EPOCH: Duration = Duration::from_secs(5);
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

/// Of a request that gets no answer. `field` tells where an image is, and `retry` when it is worth to try again.
fn unanswered(error: &PredictError, field: &dyn Fn(usize) -> String, retry: Duration) -> Status {
    let why = error.to_string();
    match error {
        PredictError::NoImages => bad_request("images", &why, "NO_IMAGE"),
        PredictError::TooMany { .. } => bad_request("images", &why, "TOO_MANY_IMAGES"),
        PredictError::Image { why: PictureError::Busy, .. } => busy(&why, "DECODERS_BUSY", retry),
        PredictError::Image { index, .. } => bad_request(&field(*index), &why, "BAD_IMAGE"),
        PredictError::NotFound { .. } => detailed(Code::NotFound, &why, "NO_SUCH_CHECKPOINT", None),
        PredictError::Unusable { .. } => detailed(Code::DataLoss, &why, "UNUSABLE_CHECKPOINT", None),
        PredictError::Full { retry, .. } => busy(&why, "QUEUE_FULL", *retry),
        PredictError::NoCheckpoint => detailed(Code::Unavailable, &why, "NO_CHECKPOINT", Some(NEXT_EPOCH)),
        PredictError::NoBest => detailed(Code::Unavailable, &why, "NO_BEST", Some(NEXT_EPOCH)),
        PredictError::Ending => detailed(Code::Unavailable, &why, "ENDING", Some(NEXT_EPOCH)),
        PredictError::Late => detailed(Code::DeadlineExceeded, &why, "DEADLINE", None),
        PredictError::Model(_) => detailed(Code::Internal, &why, "MODEL_FAILED", None),
    }
}

/// Of a field of a request.
fn bad_request(field: &str, why: &str, reason: &str) -> Status {
    let mut details = ErrorDetails::with_bad_request_violation(field, why);
    details.set_error_info(reason, DOMAIN, HashMap::<String, String>::new());
    Status::with_error_details(Code::InvalidArgument, why, details)
}

/// Of what may succeed later.
fn busy(why: &str, reason: &str, retry: Duration) -> Status {
    detailed(Code::ResourceExhausted, why, reason, Some(retry))
}

/// Of a request that takes longer than `limit`.
fn late(limit: Duration) -> Status {
    let why = format!("the request took longer than {} s", limit.as_secs());
    detailed(Code::DeadlineExceeded, &why, "DEADLINE", None)
}

fn detailed(code: Code, why: &str, reason: &str, retry: Option<Duration>) -> Status {
    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, HashMap::<String, String>::new());
    if retry.is_some() {
        details.set_retry_info(retry);
    }
    Status::with_error_details(code, why, details)
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
