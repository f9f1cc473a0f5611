//! The command line of `worker`.

use clap::{ArgGroup, Parser};
use std::{path::PathBuf, time::Duration};

/// Trains for a coordinator, on one GPU or on the CPU.
#[derive(Debug, Clone, Parser)]
#[command(name = "worker", version, group(ArgGroup::new("device").required(true).args(["cpu", "gpu"])))]
pub struct Args {
    /// Train on the CPU
    #[arg(long)]
    pub cpu: bool,

    /// Train on the GPU of this index (with CUDA_VISIBLE_DEVICES set, of those that it names)
    #[arg(long, value_name = "N", env = "LOCAL_RANK")]
    pub gpu: Option<usize>,

    /// Where the coordinator is
    #[arg(long, value_name = "URL", env = "COORDINATOR", default_value = "http://127.0.0.1:50051")]
    pub coordinator: String,

    /// The address of this machine under which the other workers reach it [default: the one it reaches the coordinator
    /// from]
    #[arg(long, value_name = "ADDR", env = "COXSWAIN_HOST")]
    pub host: Option<String>,

    /// A name for people to read, unique in the cluster [default: host name and process id]
    #[arg(long, env = "COXSWAIN_NAME")]
    pub name: Option<String>,

    /// Whether workers of one machine add up gradients in memory that they share, or over the network as all others
    #[arg(long, env = "COXSWAIN_SHARED_MEMORY", default_value = "auto", value_parser = ["auto", "off"])]
    pub shared_memory: String,

    /// Take part only in a run of this model
    #[arg(long, env = "COXSWAIN_MODEL")]
    pub model: Option<String>,

    /// Where CIFAR-10 is, if it is on this machine; else the coordinator sends it
    #[arg(long, value_name = "DIR", env = "COXSWAIN_DATA_DIR")]
    pub data_dir: Option<PathBuf>,

    /// Where to keep what the coordinator sent [default: coxswain in the user's cache directory]
    #[arg(long, value_name = "DIR", env = "COXSWAIN_CACHE_DIR")]
    pub cache_dir: Option<PathBuf>,

    /// How long to look for a coordinator before giving up
    #[arg(long, value_name = "TIME", env = "COXSWAIN_GIVE_UP_AFTER", default_value = "10m", value_parser = seconds)]
    pub give_up_after: Duration,

    /// Write where the time of a step goes to NAME.json in this directory, a trace for Perfetto or Chrome
    #[arg(long, value_name = "DIR", env = "COXSWAIN_PROFILE")]
    pub profile: Option<PathBuf>,

    /// Log lines as text or as JSON
    #[arg(long, value_name = "FORMAT", env = "COXSWAIN_LOG_FORMAT", default_value = "text", value_parser = ["text", "json"])]
    pub log_format: String,
}

fn seconds(text: &str) -> Result<Duration, humantime::DurationError> {
    humantime::parse_duration(text)
}
