//! `coordinator`: steers a training run.

use coordinator::{Args, Display, Error, give_back_freed_memory, run, stop_signal};
use plan::Timeouts;
use std::{io::IsTerminal, process::ExitCode};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    give_back_freed_memory();
    let line: Vec<_> = std::env::args_os().collect();
    match Args::read(&line).and_then(obey) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("coordinator: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn obey(args: Args) -> Result<(), Error> {
    if args.explain_timeouts {
        print!("{}", Timeouts::new(args.failure_timeout)?);
        return Ok(());
    }
    start(args)
}

#[tokio::main(worker_threads = 2)]
async fn start(args: Args) -> Result<(), Error> {
    let display = Display::new();
    // On a terminal the bar tells what plain lines would.
    let level = if std::io::stderr().is_terminal() { "warn" } else { "info" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let writer = display.clone();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        // Who reads standard error may be gone; a complaint about that would be a panic.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(move || writer.log_writer());
    if args.log_format == "json" {
        log.json().init();
    } else {
        log.init();
    }
    let address = args.listen;
    let listener = TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })?;
    run(args, listener, display, stop_signal()).await
}
