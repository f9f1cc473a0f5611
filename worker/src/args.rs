//! The command line of `worker`. Every flag is also read from an environment variable, as [`program::arguments`] has it.

use clap::{ArgGroup, Parser};
use engine::{FAULTS, Fault};
use program::{
    BadVariable, Format, Traces, Usage, address,
    arguments::{self, Alias},
    variable,
};
use resnet::UnknownModel;
use std::{ffi::OsString, path::PathBuf, time::Duration};

/// Variables that other programs set as well.
const ALIASES: &[Alias] = &[("gpu", "LOCAL_RANK"), ("coordinator", "COORDINATOR")];

/// Trains for a coordinator, on one GPU or on the CPU.
#[derive(Debug, Clone, Parser)]
#[command(name = "worker", version)]
#[command(group(ArgGroup::new("device").required(true).args(["cpu", "gpu"])))]
#[command(group(ArgGroup::new("path").args(["as_gpu", "gpu"])))]
pub struct Args {
    /// Train on the CPU
    #[arg(long)]
    pub cpu: bool,

    /// Train on the GPU of this index (with CUDA_VISIBLE_DEVICES set, of those that it names)
    #[arg(long, value_name = "N")]
    pub gpu: Option<usize>,

    /// Compute on the CPU in the way that a GPU takes: slower, and the way to test it where there is no GPU
    #[arg(long)]
    pub as_gpu: bool,

    /// Where the coordinator is: http://HOST:PORT, or HOST:PORT
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:50051", value_parser = address::normalise)]
    pub coordinator: String,

    /// The address of this machine under which the other workers reach it [default: the one it reaches the coordinator
    /// from]
    #[arg(long, value_name = "ADDR", value_parser = address::host)]
    pub host: Option<String>,

    /// A name for people to read, unique in the cluster [default: host name and device]
    #[arg(long, value_parser = name)]
    pub name: Option<String>,

    /// Whether workers of one machine add up gradients in memory that they share, or over the network as all others
    #[arg(long, default_value = "auto", value_parser = ["auto", "off"])]
    pub shared_memory: String,

    /// How gradients get from GPU to GPU: by NCCL, or by Gloo and main memory. auto: by NCCL, unless workers share a GPU
    #[arg(long, default_value = "auto", value_parser = ["auto", "gloo"])]
    pub backend: String,

    /// Take part only in a run of this model
    #[arg(long, value_parser = model)]
    pub model: Option<String>,

    /// Where the data set is, if it is on this machine; else the coordinator sends it
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Where to keep what the coordinator sent [default: coxswain in the user's cache directory]
    #[arg(long, value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,

    /// How long to look for a coordinator before giving up
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = humantime::parse_duration)]
    pub give_up_after: Duration,

    /// Write where the time of a step goes to NAME.json in this directory, a trace for Perfetto or Chrome [as yes: profile]
    #[arg(long, value_name = "DIR")]
    pub profile: Option<Traces>,

    /// Send spans of what this worker does to the OpenTelemetry collector at this URL, over gRPC, or off
    #[arg(long, value_name = "URL|off", value_parser = telemetry::endpoint)]
    pub otlp_endpoint: Option<String>,

    /// Log lines as text or as JSON
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    pub log_format: Format,
}

impl Args {
    /// Reads the command line and the environment.
    ///
    /// # Errors
    /// If what was given makes no sense, or help was asked for.
    pub fn read(line: &[OsString]) -> Result<Self, Usage> {
        let args: Self = arguments::read(arguments::command::<Self>(ALIASES), line, ALIASES)?;
        if !args.cpu && args.gpu.is_none() {
            return Err(Usage::Contradiction("neither the CPU nor a GPU: give --cpu or --gpu N".to_owned()));
        }
        check_faults()?;
        check_instruction_set()?;
        Ok(args)
    }
}

/// Whether the faults that a test asks for make sense, before it waits for them.
fn check_faults() -> Result<(), BadVariable> {
    let Some(text) = variable(FAULTS) else { return Ok(()) };
    let bad = |why: String| BadVariable { name: FAULTS.to_owned(), why };
    let text = text.to_str().ok_or_else(|| bad("it is no text".to_owned()))?;
    Fault::of("", text).map(drop).map_err(|error| bad(error.to_string()))
}

/// Whether the instruction set that a test asks for is one.
fn check_instruction_set() -> Result<(), BadVariable> {
    let why = |wrong: operations::UnknownInstructionSet| format!("{:?} is none of avx2 and none", wrong.0);
    let bad = |wrong| BadVariable { name: operations::INSTRUCTION_SET.to_owned(), why: why(wrong) };
    operations::asked_instruction_set().map(drop).map_err(bad)
}

/// The name of a model that there is.
fn model(text: &str) -> Result<String, UnknownModel> {
    resnet::known(text).map(str::to_owned)
}

/// A name that can be shown as it is.
fn name(text: &str) -> Result<String, String> {
    let shown = program::text::name(text);
    if shown.is_empty() {
        return Err("a name has at least one letter".to_owned());
    }
    if shown != text {
        return Err("a name is short, and has no letters that cannot be seen".to_owned());
    }
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use program::reference;
    use std::path::Path;

    fn read(words: &[&str]) -> Result<Args, String> {
        let line: Vec<OsString> = ["worker", "--cpu"].iter().chain(words).map(OsString::from).collect();
        Args::read(&line).map_err(|error| error.to_string())
    }

    #[test]
    fn the_reference_page_tells_of_every_flag() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/settings.md");
        reference::check(&page, "worker", &reference::section(&Args::command(), ALIASES)).unwrap();
    }

    #[test]
    fn clap_accepts_the_definition() {
        let command = arguments::command::<Args>(ALIASES);
        assert_eq!(arguments::declared_twice(&command), [""; 0]);
        command.debug_assert();
    }

    #[test]
    fn an_address_is_completed_or_refused() {
        assert_eq!(read(&["--coordinator", "127.0.0.1:7"]).unwrap().coordinator, "http://127.0.0.1:7");
        for wrong in ["https://h:1", "h", "h:0", "a b:1"] {
            assert!(read(&["--coordinator", wrong]).unwrap_err().contains("http://HOST:PORT"), "{wrong}");
        }
    }

    #[test]
    fn a_model_that_is_none_is_refused() {
        assert!(read(&["--model", "resnet18"]).is_ok());
        assert!(read(&["--model", "resnet-18"]).unwrap_err().contains("did you mean resnet18?"));
    }

    #[test]
    fn a_host_that_is_none_is_refused() {
        assert!(read(&["--host", "node-1"]).is_ok());
        for wrong in ["", "http://x", "0.0.0.0", "127.0.0.1:9"] {
            assert!(read(&["--host", wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_can_be_shown() {
        assert_eq!(read(&["--name", "gpu 0 (left)"]).unwrap().name.unwrap(), "gpu 0 (left)");
        for wrong in ["", "a\nb", "\u{1b}[2J", &"x".repeat(101)] {
            assert!(read(&["--name", wrong]).unwrap_err().contains("a name "), "{wrong:?}");
        }
    }
}
