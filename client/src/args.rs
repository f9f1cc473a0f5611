//! The command line.

pub use crate::options::{
    Checkpoints, Compare, Completions, Confusion, Demands, Evaluate, Events, From, Grid, History, Man, Out, Pause,
    Picture, Plot, Query, Status, View, Workers,
};

use crate::image::ImageAt;
use clap::{Parser, Subcommand};
use program::{
    Usage, address,
    arguments::{self, Alias, some_time},
};
use resnet::{Sizes, Stem};
use std::{ffi::OsString, time::Duration};
use tonic::transport::Uri;

/// Where a coordinator listens unless it is told otherwise.
const DEFAULT_COORDINATOR: &str = "http://127.0.0.1:50051";

/// Variables that other programs set as well.
pub(crate) const ALIASES: &[Alias] = &[("coordinator", "COORDINATOR")];

/// Watch a training run, ask it, look at a model.
///
/// The exit code is 0 when all is done, 1 after a failure, and 2 after wrong usage. It is 3 if the coordinator cannot be reached or
/// is not ready. It is 4 after wrong input, such as a file that is no image or a model that does not exist. It is 5 if a
/// requirement is not met.
#[derive(Debug, Parser)]
#[command(name = "cox", version)]
pub struct Args {
    /// Where the coordinator is: http://HOST:PORT, or HOST:PORT.
    #[arg(long, global = true, value_name = "URL", default_value = DEFAULT_COORDINATOR)]
    #[arg(value_parser = coordinator)]
    pub coordinator: Uri,

    /// Print JSON, for scripts.
    #[arg(long, global = true)]
    pub json: bool,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Args {
    /// Reads the command line and the environment.
    ///
    /// # Errors
    /// If what was given makes no sense, or help was asked for.
    pub fn read(line: &[OsString]) -> Result<Self, Usage> {
        arguments::read(arguments::command::<Self>(ALIASES), line, ALIASES)
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the run as it stands.
    Status(Status),
    /// Follow the run until it is over. Fails if the run does.
    Watch(Watch),
    /// Show the epochs that are done, in a table. The best one is marked.
    History(History),
    /// Show the workers.
    Workers(Workers),
    /// Show what happened, in words.
    Events(Events),
    /// Show the checkpoints that were written.
    Checkpoints(Checkpoints),
    /// Save the state now, after the step in progress. Training goes on.
    Checkpoint,
    /// Halt training after the step in progress, saved. The workers stay.
    Pause(Pause),
    /// Go on after a pause.
    Resume,
    /// Ask all that is known of a run in SQL, which only reads.
    Query(Query),
    /// Compare runs: their settings, their figures, their courses.
    Compare(Compare),
    /// Draw curves of loss, accuracy and learning rate, of one run or several.
    Plot(Plot),
    /// Show how each class is recognised, and which are taken for which.
    Confusion(Confusion),
    /// Draw images of the test set with what a checkpoint makes of them: right in green, wrong in red.
    Grid(Grid),
    /// Evaluate a checkpoint on the test set.
    Evaluate(Evaluate),
    /// Print what a shell needs to complete commands and flags.
    Completions(Completions),
    /// Print the manual page, or write those of all commands.
    Man(Man),
    /// End the run after the step in progress, saved; the same command of the coordinator goes on from there.
    Stop(Stop),
    /// Tell what is in pictures, by a checkpoint of the run.
    Predict(Predict),
    /// Show the layers and sizes of a model. Needs no coordinator.
    Summary(Summary),
}

/// Which model to show, and for which data set.
#[derive(Debug, clap::Args)]
pub struct Summary {
    /// Its name, such as resnet18.
    pub model: String,

    /// How it begins: small or large.
    #[arg(long, value_name = "NAME", default_value = "small", value_parser = stem)]
    pub stem: Stem,

    /// The side of the images, in pixels.
    #[arg(long, value_name = "PIXELS", default_value_t = shown().side, value_parser = clap::value_parser!(u32).range(1..=LONGEST_SIDE))]
    pub side: u32,

    /// The channels of the images.
    #[arg(long, value_name = "N", default_value_t = shown().channels, value_parser = clap::value_parser!(u32).range(1..=MOST_CHANNELS))]
    pub channels: u32,

    /// How many classes the model tells apart.
    #[arg(long, value_name = "N", default_value_t = shown().classes, value_parser = clap::value_parser!(u32).range(1..=MOST_CLASSES))]
    pub classes: u32,
}

/// Sizes beyond those of any data set of pictures.
const LONGEST_SIDE: i64 = 65_536;
const MOST_CHANNELS: i64 = 1024;
const MOST_CLASSES: i64 = 1_000_000;

/// The data set that a model is shown for unless another one is described: the article's.
fn shown() -> Sizes {
    let spec = importers::cifar10::spec();
    Sizes { channels: spec.shape.channels, side: spec.shape.height, classes: spec.classes.len() as u32 }
}

/// A stem by its name.
fn stem(text: &str) -> Result<Stem, String> {
    serde_json::from_value(text.into()).map_err(|_| "it is small or large".to_owned())
}

/// How to follow a run.
#[derive(Debug, clap::Args)]
pub struct Watch {
    /// The least time between two views, from 50ms to 1h. The end of the run is shown at once.
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = interval)]
    pub interval: Duration,

    /// How long to look for a coordinator that went away.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = humantime::parse_duration)]
    pub patience: Duration,

    /// How a terminal shows it.
    #[arg(long, value_enum, value_name = "full|status|lines", default_value_t = View::Full)]
    pub view: View,

    /// Which run.
    #[command(flatten)]
    pub from: From,
    /// Looked at when the run is over.
    #[command(flatten)]
    pub demands: Demands,
}

/// How to end a run.
#[derive(Debug, clap::Args)]
pub struct Stop {
    /// Why, for others to read.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub reason: String,

    /// Do not wait until the state is saved.
    #[arg(long)]
    pub no_wait: bool,
}

/// The pictures to be classified, and how much is shown of each.
#[derive(Debug, clap::Args)]
pub struct Predict {
    /// PNG or JPEG files, directories of such, http or https URLs, or files of raw pixels: a byte each, one channel after the other.
    #[arg(required = true, value_name = "FILE_OR_URL")]
    pub images: Vec<ImageAt>,

    /// How many classes to show, the most probable first.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    pub top: u8,

    /// Which checkpoint answers: newest, best (by test accuracy), or one by its name, such as step-00007820.
    #[arg(long, value_name = "newest|best|NAME", default_value = "newest")]
    pub checkpoint: String,

    /// Whether to draw the picture.
    #[arg(long, value_enum, value_name = "auto|always|never", default_value_t = Picture::Auto)]
    pub picture: Picture,
}

/// The address in `text`; the usual one if there is none.
fn coordinator(text: &str) -> Result<Uri, String> {
    address::parse(if text.is_empty() { DEFAULT_COORDINATOR } else { text })
}

/// A time within the coordinator's own limits.
fn interval(text: &str) -> Result<Duration, String> {
    let interval = some_time(text)?;
    if interval < Duration::from_millis(50) || interval > Duration::from_hours(1) {
        return Err("it has to be from 50ms to 1h".to_owned());
    }
    Ok(interval)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, error::ErrorKind};
    use program::reference;
    use std::path::{Path, PathBuf};

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_reference_page_tells_of_every_flag() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/settings.md");
        reference::check(&page, "cox", &reference::section(&Args::command(), ALIASES)).unwrap();
    }

    #[test]
    fn clap_accepts_the_definition() {
        let command = arguments::command::<Args>(ALIASES);
        assert_eq!(arguments::declared_twice(&command), [""; 0]);
        command.debug_assert();
    }

    #[test]
    fn global_flags_stand_anywhere() {
        for line in ["cox --json --coordinator http://h:1 status", "cox status --coordinator http://h:1 --json"] {
            let args = parse(line).unwrap();
            assert!(args.json);
            assert_eq!(args.coordinator.to_string(), "http://h:1/");
            assert!(matches!(args.command, Command::Status(_)));
        }
    }

    #[test]
    fn addresses() {
        assert_eq!(coordinator("node-1:50051").unwrap().to_string(), "http://node-1:50051/");
        assert_eq!(coordinator("").unwrap().to_string(), "http://127.0.0.1:50051/");
        assert!(coordinator("https://node-1:443").unwrap_err().ends_with("an address has the form http://HOST:PORT"));
    }

    #[test]
    fn predictions() {
        let args = parse("cox predict a.png https://example.org/b.jpg --top 5").unwrap();
        let Command::Predict(predict) = args.command else { panic!("not predict") };
        assert_eq!(
            predict.images,
            [ImageAt::File(PathBuf::from("a.png")), ImageAt::Url("https://example.org/b.jpg".to_owned())]
        );
        assert_eq!(predict.top, 5);
        assert_eq!(parse("cox predict").unwrap_err().kind(), ErrorKind::MissingRequiredArgument);
        assert_eq!(parse("cox predict a.png --top 0").unwrap_err().kind(), ErrorKind::ValueValidation);
    }

    #[test]
    fn watching() {
        let Command::Watch(watch) = parse("cox watch --interval 2s").unwrap().command else { panic!("not watch") };
        assert_eq!((watch.interval, watch.patience), (Duration::from_secs(2), Duration::from_mins(10)));
        assert!(parse("cox watch --interval 10ms").is_err());
        assert!(parse("cox watch --interval 1h").is_ok());
        assert!(parse("cox watch --interval 61m").is_err());
    }
}
