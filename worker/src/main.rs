//! `worker`: trains for a coordinator.

use nccl_rs::environment::{self, Setting};
use program::{Log, Usage, arguments, signals};
use std::{
    ffi::OsString,
    future::Future,
    io::{self, IsTerminal, Write},
};
use telemetry::Telemetry;
use tokio::runtime;
use worker::{Args, Error, Session};

const NAME: &str = "worker";

fn main() {
    // SAFETY: nothing has started a thread yet.
    let otherwise = unsafe { environment::prepare() };
    engine::keep_freed_memory();
    let line: Vec<OsString> = std::env::args_os().collect();
    let format = arguments::wanted_format(&line);
    let code = match Args::read(&line) {
        Ok(args) => start(args, &otherwise),
        Err(usage) => usage.tell(NAME, format),
    };
    // Destructors of C++ statics would wait for process groups that were left behind.
    // SAFETY: `_exit` takes any code; nothing of this process is needed after.
    unsafe { nix::libc::_exit(i32::from(code)) }
}

/// Returns the exit code.
fn start(args: Args, otherwise: &[(Setting, OsString)]) -> u8 {
    let format = args.log_format;
    let log = program::unblock().and_then(|stderr| {
        // Who reads it may be gone, as a killed coordinator is.
        Log::new(NAME, format, move |line| drop((&stderr).write_all(line)))
    });
    let started = log.map_err(Error::Start).and_then(|log| {
        log.start("info", io::stderr().is_terminal()).map_err(Usage::from)?;
        // Whoever asks twice waits for nothing more.
        let stop = signals::stop_request(|| {}).map_err(Error::Start)?;
        Ok((log, stop))
    });
    let (log, stop) = match started {
        Ok(started) => started,
        Err(error) => {
            format.say(NAME, &error);
            return error.exit_code();
        }
    };
    if args.gpu.is_some() {
        for (Setting { name, value, otherwise }, found) in otherwise {
            tracing::warn!("{name} is {found:?} in the environment, where {value} is needed: {otherwise}");
        }
    }
    match serve(args, stop) {
        Ok(()) => {
            log.finish();
            0
        }
        Err(error) => {
            log.last_words(&error);
            error.exit_code()
        }
    }
}

fn serve(args: Args, stop: impl Future<Output = String>) -> Result<(), Error> {
    worker::check_data(&args)?;
    let device = worker::device(&args)?;
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(Error::Start)?;
    let telemetry = Telemetry::start("coxswain-worker", args.otlp_endpoint.as_deref(), runtime.handle());
    let leave = async {
        stop.await;
    };
    let result = runtime.block_on(Session::new(args, device, telemetry.clone()).run(leave));
    telemetry.finish();
    // Whoever goes before it is prepared does not wait for the rest of that.
    runtime.shutdown_background();
    result
}
