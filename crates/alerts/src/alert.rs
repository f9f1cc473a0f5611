//! What is told.

use crate::rules::Rules;
use serde::Serialize;

/// Something that somebody has to be told at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// What it is.
    pub kind: Kind,
    /// Whether it begins or ends.
    pub status: Status,
    /// How bad it is.
    pub severity: Severity,
    /// The worker that it is about; `None` if it is about the run.
    pub worker: Option<String>,
    /// In words.
    pub text: String,
    /// What somebody can do; empty where there is nothing.
    pub advice: &'static str,
}

/// What an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A failure was noticed, and the run goes on without who failed.
    WorkerLost,
    /// A worker failed for a reason of its own, and is tried again later. It has an end.
    WorkerSetAside,
    /// A worker takes much longer for its share than others. It has an end.
    WorkerSlow,
    /// The run gets no further. It has an end.
    RunStalled,
    /// The loss is no number.
    RunDiverged,
    /// All epochs are done.
    RunFinished,
    /// The run was stopped on request.
    RunStopped,
    /// The run cannot go on.
    RunFailed,
    /// The disk of the run directory is nearly full. It has an end.
    DiskNearlyFull,
    /// The test accuracy reached what was asked for.
    AccuracyAbove,
    /// The test accuracy is below what was asked for. It has an end.
    AccuracyBelow,
}

/// Whether an alert begins or ends: the words of Prometheus' Alertmanager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It begins.
    Firing,
    /// Its reason is gone.
    Resolved,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// The run goes on, and somebody should look.
    Warning,
    /// The run does not go on.
    Critical,
}

impl Kind {
    /// How bad it is while it lasts.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::RunFinished | Self::RunStopped | Self::AccuracyAbove => Severity::Info,
            Self::WorkerLost | Self::WorkerSetAside | Self::WorkerSlow | Self::DiskNearlyFull | Self::AccuracyBelow => {
                Severity::Warning
            }
            Self::RunStalled | Self::RunDiverged | Self::RunFailed => Severity::Critical,
        }
    }

    /// What somebody can do while it lasts, by `rules`; empty where there is nothing.
    #[must_use]
    pub fn advice(self, rules: &Rules) -> &'static str {
        match self {
            Self::WorkerLost if rules.started_again => {
                "The coordinator starts it again by itself. If it is lost again, look at its log and its memory."
            }
            Self::WorkerLost => "The run goes on without it. Look at its machine and its log, and start it again.",
            Self::WorkerSetAside => "It is tried again by itself. If it fails again, look at its log and its memory.",
            Self::WorkerSlow => "Look at what else its machine does: every step waits for it.",
            Self::RunStalled => "Look at what it waits for: workers that do not come, a disk, or a network.",
            Self::RunDiverged => "Stop it, and begin another run with a lower --lr or with a warm-up.",
            Self::RunFailed => "The reason says why. The same command goes on from the newest checkpoint.",
            Self::RunStopped => "The same command goes on from there.",
            Self::DiskNearlyFull => "Make room: without it no checkpoint can be written.",
            Self::AccuracyBelow => "Look at the curves. It may only need more epochs.",
            Self::RunFinished | Self::AccuracyAbove => "",
        }
    }

    /// Whether the events of the run do not tell it anyway.
    #[must_use]
    pub fn is_news(self) -> bool {
        matches!(
            self,
            Self::WorkerSlow | Self::RunStalled | Self::DiskNearlyFull | Self::AccuracyAbove | Self::AccuracyBelow
        )
    }
}
