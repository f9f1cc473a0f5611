//! The flags of the commands that look at a run and steer it.

use crate::requirement::{self, Requirement};
use std::{path::PathBuf, time::Duration};

/// Where a run is looked at, if not at its coordinator.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct From {
    /// Look at the run in this directory, which is over, instead of asking a coordinator.
    #[arg(long, value_name = "DIR")]
    pub run_dir: Option<PathBuf>,
}

/// What a run has to have reached. If it has not, the exit code is 5.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Demands {
    /// Fail unless this holds, such as 'test_accuracy>=0.85'. It can be given again.
    #[arg(long, value_name = "FIGURE>=NUMBER")]
    pub require: Vec<Requirement>,

    /// Fail unless the weights of the newest checkpoint have this SHA-256.
    #[arg(long, value_name = "HEX", value_parser = requirement::sha256)]
    pub expect_sha256: Option<String>,
}

/// How to show a run as it stands.
#[derive(Debug, clap::Args)]
pub struct Status {
    /// Which run.
    #[command(flatten)]
    pub from: From,
    /// What it has to have reached.
    #[command(flatten)]
    pub demands: Demands,
}

/// Which epochs to show, and how.
#[derive(Debug, clap::Args)]
pub struct History {
    /// Only the last so many.
    #[arg(long, value_name = "N")]
    pub tail: Option<usize>,

    /// Print CSV.
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,

    /// Which run.
    #[command(flatten)]
    pub from: From,
    /// What it has to have reached.
    #[command(flatten)]
    pub demands: Demands,
}

/// How to show the workers.
#[derive(Debug, clap::Args)]
pub struct Workers {
    /// Which run.
    #[command(flatten)]
    pub from: From,
}

/// Which events to show.
#[derive(Debug, clap::Args)]
pub struct Events {
    /// Go on as more happens, until the run is over.
    #[arg(long, conflicts_with = "run_dir")]
    pub follow: bool,

    /// Only those with this text in them, in letters of any size.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub grep: String,

    /// Only those of the last so much time, such as 10m or 2h.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub since: Option<Duration>,

    /// Only the last so many.
    #[arg(long, value_name = "N")]
    pub tail: Option<usize>,

    /// Which run.
    #[command(flatten)]
    pub from: From,
}

/// How to show the checkpoints.
#[derive(Debug, clap::Args)]
pub struct Checkpoints {
    /// Which run.
    #[command(flatten)]
    pub from: From,
}

/// How to pause a run.
#[derive(Debug, clap::Args)]
pub struct Pause {
    /// Why, for others to read.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub reason: String,

    /// Do not wait until training has halted and the state is saved.
    #[arg(long)]
    pub no_wait: bool,
}

/// What to ask in SQL, and how to show the answer.
#[derive(Debug, clap::Args)]
pub struct Query {
    /// One statement that only reads, such as 'SELECT epoch, test_accuracy FROM epochs'.
    #[arg(long, value_name = "STATEMENT", required_unless_present = "schema")]
    pub sql: Option<String>,

    /// Show the tables and their columns.
    #[arg(long, conflicts_with = "sql")]
    pub schema: bool,

    /// Print CSV.
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,

    /// At most so many rows.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub limit: usize,

    /// How long the statement may take.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    pub timeout: Duration,

    /// Which run.
    #[command(flatten)]
    pub from: From,
}

/// Which runs to compare.
#[derive(Debug, clap::Args)]
pub struct Compare {
    /// Directories of runs, and addresses of coordinators.
    #[arg(required = true, num_args = 2.., value_name = "RUN")]
    pub runs: Vec<String>,
}

/// For which shell.
#[derive(Debug, clap::Args)]
pub struct Completions {
    /// The shell.
    pub shell: clap_complete::Shell,
}

/// Where manual pages go.
#[derive(Debug, clap::Args)]
pub struct Man {
    /// Write a page for each command into this directory.
    #[arg(value_name = "DIR")]
    pub directory: Option<PathBuf>,
}
