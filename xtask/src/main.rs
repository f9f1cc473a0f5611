//! `cargo xtask`: set-up, training and tests, each in one command.

mod bench;
mod cargo;
mod chaos;
mod check_cuda;
mod checksum;
mod gpu_kit;
mod loads;
mod pictures;
mod recovery;
mod same_bytes;
mod setup;
mod stamp;
mod test;
mod train;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Set up, train and test coxswain.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fetch libtorch and CIFAR-10. Run again, it does nothing; interrupted, it goes on where it was.
    Setup {
        /// A libtorch for NVIDIA GPUs (about 2.5 GB to download) instead of one for CPUs.
        #[arg(long)]
        cuda: bool,
        /// Where CIFAR-10 goes [default: data, in the workspace].
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
    /// Make the Python environment that the comparisons with PyTorch run in.
    Python,
    /// Set up, build and train: a coordinator with two local workers unless its flags say otherwise.
    Train {
        /// Flags of the coordinator.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FLAGS")]
        flags: Vec<String>,
    },
    /// Build against CUDA, and run what runs without a GPU (downloads about 2.5 GB the first time).
    CheckCuda,
    /// Build and pack a kit for a machine that has a GPU and an older PyTorch, and nothing else (downloads about 2.5 GB).
    GpuKit(gpu_kit::Options),
    /// Train side by side with PyTorch DDP, alternately, and print medians and ratios; or measure what else there is.
    Bench(bench::Options),
    /// Kill, stop and join workers and the coordinator at random moments of a run, and compare its weights.
    Chaos(chaos::Options),
    /// Make the pictures of the README and the guide from a run: figures, the page, the terminal.
    Pictures(pictures::Options),
    /// Kill workers again and again, and print how long the others are held up, beside torchrun.
    Recovery(recovery::Options),
    /// Train the same runs with the programs of an earlier commit and of this tree, and compare their weights.
    SameBytes(same_bytes::Options),
    /// Set up, build and run every test, those of the whole system last and one at a time.
    Test {
        /// A filter, flags of `cargo test`, and after `--` flags of the test programs.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        args: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    match Arguments::parse().command {
        Command::Setup { cuda, data_dir } => {
            setup::setup(cuda, data_dir.as_deref())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Python => {
            setup::python::setup()?;
            Ok(ExitCode::SUCCESS)
        }
        Command::CheckCuda => {
            check_cuda::check_cuda()?;
            Ok(ExitCode::SUCCESS)
        }
        Command::GpuKit(options) => {
            gpu_kit::gpu_kit(&options)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Bench(options) => {
            bench::bench(&options)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Train { flags } => train::train(flags),
        Command::SameBytes(options) => {
            same_bytes::same_bytes(&options)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Chaos(options) => chaos::chaos(&options),
        Command::Pictures(options) => pictures::pictures(&options),
        Command::Recovery(options) => recovery::recovery(&options),
        Command::Test { args } => test::test(&args),
    }
}
