//! The flags of the commands that look at a run and steer it.

use crate::{
    drawing,
    requirement::{self, Requirement},
};
use clap::builder::RangedU64ValueParser;
use program::arguments::some_time;
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

/// How a run is watched on a terminal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum View {
    /// On the whole screen, with keys.
    #[default]
    Full,
    /// As `cox status`, in place.
    Status,
    /// A line for each change, as where there is no terminal: for screen readers.
    Lines,
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

/// A count that is not 0.
fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

/// What to ask in SQL, and how to show the answer.
#[derive(Debug, clap::Args)]
#[command(override_usage = "cox query --sql <STATEMENT> [OPTIONS]\n       cox query --schema")]
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
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = at_least_one())]
    pub limit: usize,

    /// How long the statement may take.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = some_time)]
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

/// Into which file a picture goes.
#[derive(Debug, clap::Args)]
pub struct Out {
    /// The file, by whose name it is SVG or PNG.
    #[arg(long = "out", short = 'o', id = "out", value_name = "FILE", value_parser = drawing::file)]
    pub file: PathBuf,

    /// Light ink on a dark ground.
    #[arg(long)]
    pub dark: bool,
}

/// Which curves to draw, and how.
#[derive(Debug, clap::Args)]
pub struct Plot {
    /// Directories of runs, and addresses of coordinators [default: the run of --coordinator, or of --run-dir].
    #[arg(value_name = "RUN", conflicts_with = "run_dir")]
    pub runs: Vec<String>,

    /// Draw losses and rates on a logarithmic axis.
    #[arg(long)]
    pub log: bool,

    /// How much of the line so far enters into each point, from 0 to 0.999. The raw line stays, faint.
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0, value_parser = smoothing)]
    pub smoothing: f64,

    /// Where it goes.
    #[command(flatten)]
    pub out: Out,
    /// Which run.
    #[command(flatten)]
    pub from: From,
}

/// How much of the line so far enters into a point.
fn smoothing(text: &str) -> Result<f64, String> {
    let smoothing = text.parse::<f64>().ok().filter(|smoothing| (0.0..=0.999).contains(smoothing));
    smoothing.ok_or_else(|| "it has to be from 0 to 0.999".to_owned())
}

/// Of which epoch, and whether to draw it.
#[derive(Debug, clap::Args)]
pub struct Confusion {
    /// The epoch, from 1 [default: the last].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub epoch: Option<u32>,

    /// Draw the matrix into this file, by whose name it is SVG or PNG.
    #[arg(long = "out", short = 'o', id = "out", value_name = "FILE", value_parser = drawing::file)]
    pub file: Option<PathBuf>,

    /// Light ink on a dark ground.
    #[arg(long)]
    pub dark: bool,

    /// Which run.
    #[command(flatten)]
    pub from: From,
}

/// Which images to draw, and by which checkpoint.
#[derive(Debug, clap::Args)]
pub struct Grid {
    /// Images in a row.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=32))]
    pub columns: u8,

    /// Rows of images.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=32))]
    pub rows: u8,

    /// Which checkpoint answers: newest, best (by test accuracy), or one by its name, such as step-00007820.
    #[arg(long, value_name = "newest|best|NAME", default_value = "newest")]
    pub checkpoint: String,

    /// Where the data set's files are.
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data_dir: PathBuf,

    /// Where it goes.
    #[command(flatten)]
    pub out: Out,
}

/// Which checkpoint to evaluate, and on what.
#[derive(Debug, clap::Args)]
pub struct Evaluate {
    /// Which checkpoint answers: newest, best (by test accuracy), or one by its name, such as step-00007820.
    #[arg(long, value_name = "newest|best|NAME", default_value = "newest")]
    pub checkpoint: String,

    /// Only so many images, from the first on.
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    pub limit: Option<usize>,

    /// Tell the class of each image as well.
    #[arg(long)]
    pub each: bool,

    /// Where the data set's files are.
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data_dir: PathBuf,
}

/// Whether a picture is drawn beside what is predicted of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Picture {
    /// On a terminal with colours.
    #[default]
    Auto,
    /// Into files and pipes too.
    Always,
    /// Nowhere.
    Never,
}
