//! Why a command fails, in words that say what to do about it, and with which exit code.

use std::{error::Error, io};
use thiserror::Error;
use tonic::{Code, Status, transport};

/// Why a command fails.
#[derive(Debug, Error)]
pub enum Failure {
    /// Nothing at that address speaks gRPC.
    #[error(
        "cannot reach the coordinator at {url}: {cause}; is it running? \
         Give its address with --coordinator or COORDINATOR"
    )]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// The root of the failure, in the system's words.
        cause: String,
    },
    /// The coordinator took longer than the deadline.
    #[error("the coordinator at {url} gave no answer within {seconds} s; it is overloaded or stands still: try again")]
    NoAnswer {
        /// Where it is.
        url: String,
        /// The deadline.
        seconds: u64,
    },
    /// The coordinator says UNAVAILABLE, for instance since it has no checkpoint yet.
    #[error("the coordinator at {url} cannot answer yet: {message}; try again later")]
    NotReady {
        /// Where it is.
        url: String,
        /// In its words.
        message: String,
    },
    /// The coordinator ended a stream before the run was over.
    #[error("the coordinator at {url} hung up before the run was over; is it running?")]
    HungUp {
        /// Where it is.
        url: String,
    },
    /// What answers speaks gRPC but not this protocol.
    #[error(
        "what answers at {url} does not know this request: it is no coordinator, or one of another version than {}",
        proto::VERSION
    )]
    Unimplemented {
        /// Where it is.
        url: String,
    },
    /// The coordinator says that the request is wrong, or comes too late: of a run that is over, for instance.
    #[error("{message}")]
    Rejected {
        /// In its words.
        message: String,
    },
    /// Any other answer that is an error.
    #[error("the coordinator at {url} failed: {message} ({code:?}); its own log says more")]
    Refused {
        /// Where it is.
        url: String,
        /// In its words.
        message: String,
        /// The gRPC code.
        code: Code,
    },
    /// The answer makes no sense.
    #[error(transparent)]
    Malformed(#[from] proto::Malformed),
    /// A picture that cannot be read, or is none.
    #[error("{image}: {why}")]
    Image {
        /// As it was given.
        image: String,
        /// What is wrong with it.
        why: String,
    },
    /// Each of these failures has been told.
    #[error("{failed} of {all} images have no prediction, see above")]
    Images {
        /// How many failed.
        failed: usize,
        /// How many were asked for.
        all: usize,
    },
    /// A name that is no model's. The error names the nearest.
    #[error(transparent)]
    Model(#[from] resnet::UnknownModel),
    /// Images from which a model cannot learn.
    #[error("images of {side} pixels are too small for {model}: with this stem it takes {shortest} and more")]
    Small {
        /// The model.
        model: String,
        /// The shortest side of images that it takes.
        shortest: u32,
        /// The side of those that it was to be shown for.
        side: u32,
    },
    /// The run has not reached what it was to reach.
    #[error("a requirement is not met: {what}")]
    Unmet {
        /// Each of them, and what was found instead.
        what: String,
    },
    /// The directory of a run cannot be read.
    #[error(transparent)]
    Directory(#[from] chronicle::Error),
    /// What was asked in SQL cannot be answered.
    #[error("{0}")]
    Query(String),
    /// What is to be compared is no run.
    #[error("{0}: give the directory of a run, or the address of a coordinator, such as http://HOST:PORT")]
    NoRun(String),
    /// A pause that did not come about.
    #[error("the run did not pause: it is {state}: {reason}")]
    NotPaused {
        /// In a word.
        state: &'static str,
        /// In the coordinator's words.
        reason: String,
    },
    /// The epoch that was asked for is not done.
    #[error("{}", no_epoch(*wanted, *done))]
    NoEpoch {
        /// Counted from 1; `None` is the last.
        wanted: Option<u32>,
        /// How many are done.
        done: usize,
    },
    /// The test set cannot be had.
    #[error("{0}")]
    Data(String),
    /// A picture cannot be drawn.
    #[error("cannot draw it: {0}")]
    Drawing(String),
    /// A file cannot be written.
    #[error("cannot write {path}: {why}")]
    File {
        /// Which file.
        path: String,
        /// In the system's words.
        why: io::Error,
    },
    /// The run that was watched failed.
    #[error("the run failed: {reason}")]
    RunFailed {
        /// In the coordinator's words.
        reason: String,
    },
    /// Nobody reads the output any longer, as under `head`.
    #[error("the output is closed")]
    Closed,
    /// The output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(io::Error),
    /// The machine gives no threads.
    #[error("cannot start: {0}")]
    Runtime(io::Error),
    /// A bug.
    #[error("a task of cox broke: {0}; please report it")]
    Task(#[from] tokio::task::JoinError),
}

impl Failure {
    /// The exit code of a command that fails so. 2, wrong usage, is clap's.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::Unreachable { .. } | Self::NoAnswer { .. } | Self::NotReady { .. } | Self::HungUp { .. } => 3,
            Self::Unmet { .. } => 5,
            Self::Rejected { .. }
            | Self::Image { .. }
            | Self::Images { .. }
            | Self::Model(_)
            | Self::Small { .. }
            | Self::Directory(_)
            | Self::Query(_)
            | Self::NoRun(_)
            | Self::NoEpoch { .. }
            | Self::Data(_)
            | Self::Drawing(_) => 4,
            Self::Unimplemented { .. }
            | Self::Refused { .. }
            | Self::Malformed(_)
            | Self::RunFailed { .. }
            | Self::NotPaused { .. }
            | Self::File { .. }
            | Self::Output(_)
            | Self::Runtime(_)
            | Self::Task(_) => 1,
        }
    }

    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        matches!(self, Self::Closed)
    }

    /// Whether it may mend by itself, as when a coordinator is started again.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        self.exit_code() == 3
    }

    /// From what tonic reports for a connection to `url`.
    #[must_use]
    pub fn from_transport(url: &str, error: &transport::Error) -> Self {
        Self::Unreachable { url: url.to_owned(), cause: root_cause(error) }
    }

    /// From the status of an RPC to `url` with a deadline of `seconds`.
    #[must_use]
    pub fn from_status(url: &str, seconds: u64, status: &Status) -> Self {
        let url = url.to_owned();
        // A status that the transport made up carries its error; one that the coordinator sent does not.
        if let Some(source) = status.source().filter(|_| status.code() != Code::DeadlineExceeded) {
            return if is_timeout(source) {
                Self::NoAnswer { url, seconds }
            } else {
                Self::Unreachable { url, cause: root_cause(source) }
            };
        }
        let message = status.message().to_owned();
        match status.code() {
            Code::DeadlineExceeded | Code::Cancelled => Self::NoAnswer { url, seconds },
            Code::Unavailable => Self::NotReady { url, message },
            Code::Unimplemented => Self::Unimplemented { url },
            Code::InvalidArgument | Code::OutOfRange | Code::FailedPrecondition | Code::NotFound => {
                Self::Rejected { message }
            }
            code => Self::Refused { url, message, code },
        }
    }
}

/// That the epoch `wanted` is not there, of so many that are `done`.
fn no_epoch(wanted: Option<u32>, done: usize) -> String {
    match wanted {
        Some(wanted) if done > 0 => format!("epoch {wanted} is not there; {done} are done"),
        _ => "no epoch is done yet: try again later".to_owned(),
    }
}

/// Whether a deadline is behind `error`.
fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(<dyn Error>::is::<tonic::TimeoutExpired>)
}

/// What h2 and hyper say of a connection that the other side ends: the moment of that decides which.
const ENDED: [&str; 4] = [
    "connection closed",
    "stream closed because of a broken pipe",
    "connection was not ready",
    "operation was canceled",
];

/// The last error of a chain, as a person would say it: without the number, and not as a sentence.
///
/// A web server answers with bytes that are no HTTP/2. What h2 says of them means nothing to most people.
fn root_cause(error: &(dyn Error + 'static)) -> String {
    let text = chain(error).last().map(ToString::to_string).unwrap_or_default();
    if let Some(detail) = text.strip_prefix("connection error detected: ") {
        return format!("what answers there does not speak gRPC ({detail})");
    }
    // The same, where the end of the connection was seen before what is wrong with it.
    if ENDED.iter().any(|words| text.contains(words)) {
        return "what answers there closed the connection: it ended, or it does not speak gRPC, as a web page does not"
            .to_owned();
    }
    let text = text.split(" (os error ").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// `error` and what caused it, and so on.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://h:1";

    #[test]
    fn the_end_of_a_connection_is_told_alike_in_whatever_moment_it_is_seen() {
        let told = |words: &str| root_cause(&io::Error::other(words.to_owned()));
        for words in ENDED {
            assert!(told(words).starts_with("what answers there closed the connection"), "{words}");
        }
        assert_eq!(told("Connection refused (os error 111)"), "connection refused");
    }

    #[test]
    fn statuses_have_their_codes() {
        let code = |status: Status| Failure::from_status(URL, 10, &status).exit_code();
        assert_eq!(code(Status::unavailable("no checkpoint yet")), 3);
        assert_eq!(code(Status::deadline_exceeded("late")), 3);
        assert_eq!(code(Status::invalid_argument("no image")), 4);
        assert_eq!(code(Status::failed_precondition("the run is over already")), 4);
        assert_eq!(code(Status::unimplemented("")), 1);
        assert_eq!(code(Status::internal("oh")), 1);
    }

    #[test]
    fn messages_say_what_to_do() {
        let failure = |status: Status| Failure::from_status(URL, 10, &status).to_string();
        assert_eq!(
            failure(Status::unavailable("there is no checkpoint")),
            "the coordinator at http://h:1 cannot answer yet: there is no checkpoint; try again later"
        );
        assert_eq!(
            failure(Status::internal("disk full")),
            "the coordinator at http://h:1 failed: disk full (Internal); its own log says more"
        );
    }

    #[test]
    fn a_cause_is_told_in_lower_case_and_without_its_number() {
        assert_eq!(root_cause(&io::Error::from_raw_os_error(111)), "connection refused");
    }
}
