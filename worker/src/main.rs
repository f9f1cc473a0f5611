//! `worker`: trains for a coordinator.

use clap::Parser;
use std::io::IsTerminal;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use worker::{Args, Error, Session};

fn main() {
    worker::keep_freed_memory();
    let args = Args::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // Who reads standard error may be gone, as a killed coordinator is; a complaint about that would be a panic.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    if args.log_format == "json" {
        log.json().init();
    } else {
        log.init();
    }
    let code = match run(args) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("worker: {error}");
            i32::from(error.exit_code())
        }
    };
    // Destructors of C++ statics would wait for process groups that were left behind.
    // SAFETY: `_exit` takes any code; nothing of this process is needed after.
    unsafe { nix::libc::_exit(code) }
}

#[tokio::main(worker_threads = 2)]
async fn run(args: Args) -> Result<(), Error> {
    let device = worker::device(&args)?;
    let leave = async {
        let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    Session::new(args, device).run(leave).await
}
