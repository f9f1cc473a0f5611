//! `coordinator`: steers a training run.

use coordinator::{
    Args, Display, Error, LocalProcesses, ServeArgs, ViewArgs, give_back_freed_memory, run, run_serve, view,
};
use plan::Timeouts;
use program::{FAREWELL, Format, Usage, arguments, print, signals};
use std::{ffi::OsString, process::ExitCode};
use telemetry::Telemetry;
use tokio::{
    net::TcpListener,
    runtime::{self, Runtime},
};

const NAME: &str = "coordinator";

fn main() -> ExitCode {
    give_back_freed_memory();
    let line: Vec<OsString> = std::env::args_os().collect();
    let format = arguments::wanted_format(&line);
    let result = match ServeArgs::read(&line) {
        Some(Ok(args)) => return start(args.log_format, |display| serve(args, display)),
        Some(Err(error)) => Err(error),
        None => match ViewArgs::read(&line) {
            Some(Ok(args)) => return start(args.log_format, |display| show(&args, display)),
            Some(Err(error)) => Err(error),
            None => match Args::read(&line) {
                Ok(args) if args.explain_timeouts => explain(&args),
                Ok(args) => return start(args.log_format, |display| train(args, display)),
                Err(error) => Err(error),
            },
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Usage(usage)) => ExitCode::from(usage.tell(NAME, format)),
        Err(error) => {
            format.say(NAME, &error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn explain(args: &Args) -> Result<(), Error> {
    print(&Timeouts::new(args.failure_timeout)?.to_string()).map_err(Error::Output)
}

/// Does `work` with a terminal and a log of this format.
fn start(format: Format, work: impl FnOnce(&Display) -> Result<(), Error>) -> ExitCode {
    let result = Display::new(format).and_then(|display| {
        // On a terminal the bar tells what plain lines would.
        let level = if display.has_bar() { "warn" } else { "info" };
        display.log().start(level, display.has_bar()).map_err(Usage::from)?;
        Ok(display)
    });
    let display = match result {
        Ok(display) => display,
        Err(error) => {
            format.say(NAME, &error);
            return ExitCode::from(error.exit_code());
        }
    };
    let result = work(&display);
    display.finish();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            display.log().last_words(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Answers predictions until a signal asks for the end.
fn serve(args: ServeArgs, display: &Display) -> Result<(), Error> {
    let log = display.log().clone();
    let stop = signals::stop_request(move || log.finish()).map_err(|error| Error::Serve(error.to_string()))?;
    let runtime = runtime()?;
    let telemetry = telemetry(args.otlp_endpoint.as_deref(), &runtime);
    let (address, spans) = (args.listen, telemetry.clone());
    let result = runtime.block_on(async {
        let listener = TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })?;
        run_serve(args, listener, display, stop, spans).await
    });
    telemetry.finish();
    runtime.shutdown_timeout(FAREWELL);
    result
}

/// Shows runs that are over, until a signal asks for the end.
fn show(args: &ViewArgs, display: &Display) -> Result<(), Error> {
    let log = display.log().clone();
    let stop = signals::stop_request(move || log.finish()).map_err(|error| Error::Serve(error.to_string()))?;
    let runtime = runtime()?;
    let result = runtime.block_on(view(args, display, stop));
    runtime.shutdown_timeout(FAREWELL);
    result
}

/// Where spans go.
fn telemetry(endpoint: Option<&str>, runtime: &Runtime) -> Telemetry {
    Telemetry::start("coxswain-coordinator", endpoint, runtime.handle())
}

fn runtime() -> Result<Runtime, Error> {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|error| Error::Serve(error.to_string()))
}

/// Trains, and answers predictions meanwhile.
fn train(args: Args, display: &Display) -> Result<(), Error> {
    let local = LocalProcesses::default();
    let (impatient, log) = (local.clone(), display.log().clone());
    // Whoever asks twice waits for nothing more, but leaves nothing behind.
    let at_once = move || {
        tracing::warn!("asked to end once more: ending at once, without what is under way");
        impatient.kill_all();
        log.finish();
    };
    let stop = signals::stop_request(at_once).map_err(|error| Error::Serve(error.to_string()))?;
    let runtime = runtime()?;
    let telemetry = telemetry(args.otlp_endpoint.as_deref(), &runtime);
    let (address, spans) = (args.listen, telemetry.clone());
    let ours = local.clone();
    let result = runtime.block_on(async {
        let listener = TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })?;
        run(args, listener, display.clone(), stop, ours, spans).await
    });
    // However it ended. Those that were told to have ended by now.
    local.kill_all();
    telemetry.finish();
    // What a slow disk holds up is not waited for.
    runtime.shutdown_timeout(FAREWELL);
    result
}
