//! `cox watch`: the run until it is over.
//!
//! On a terminal it fills the screen. [`model`] is what is shown, changed by messages and by [`keys`]; [`view`] draws it. All of
//! these are pure, as are [`marks`], [`braille`] and [`palette`]. [`stage`] is the terminal: a thread draws, another one reads keys,
//! so that the connection never waits for either. [`gather`] asks for what a run has been through. Elsewhere it is [`printed`].

pub mod braille;
mod gather;
pub mod keys;
pub mod marks;
pub mod model;
pub mod palette;
mod printed;
mod screen;
mod silent;
mod stage;
#[cfg(test)]
mod tests;
mod typed;
pub mod view;

use crate::{args, connect::Coordinator, error::Failure, output::Output, requirement, source::Source, status};
use ::view::duration;
use program::text::one_line;
use proto::v1::{Run, RunState};
use screen::{Left, Screen};
use signal_hook::low_level::emulate_default_handler;
use std::{
    future::pending,
    io,
    pin::pin,
    time::{Duration, Instant},
};
use tokio::{select, sync::mpsc, time::sleep};
use tonic::transport::Uri;

/// Before the first attempt to find a coordinator again; it doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LAST_PAUSE: Duration = Duration::from_secs(15);

/// Shows the run until it is over, or until it is left. A coordinator that was there and goes away is looked for.
///
/// # Errors
/// If the run failed or has not reached what it was to, no coordinator was there, or none came back in time.
pub async fn watch(url: &Uri, options: &args::Watch, output: &Output) -> Result<(), Failure> {
    let (leaves, mut left) = mpsc::channel(4);
    let mut screen = Screen::new(output, options.view, leaves);
    let result = select! {
        result = run(url, options, &mut screen) => result.map(Ok),
        Some(left) = left.recv() => Ok(Err(left)),
    };
    let clean = screen.leave().await;
    let last = screen.last();
    if let (true, Some(run)) = (clean, &last) {
        output.text(&status::render(run, output.look()))?;
    }
    match result? {
        Ok(run) => end(&run).and_then(|()| requirement::check(&options.demands, &run)),
        Err(Left::Quit) => last.map_or(Ok(()), |run| requirement::check(&options.demands, &run)),
        Err(Left::Broken(error)) => Err(Failure::Output(error)),
        Err(Left::Signal(signal)) => {
            // As if nobody had met it.
            emulate_default_handler(signal).map_err(Failure::Output)?;
            Err(Failure::Output(io::Error::from(io::ErrorKind::Interrupted)))
        }
    }
}

/// The run of `options` at its end.
async fn run(url: &Uri, options: &args::Watch, screen: &mut Screen<'_>) -> Result<Run, Failure> {
    let Some(run_dir) = &options.from.run_dir else { return live(url, options, screen).await };
    let source = Source::in_directory(run_dir)?;
    let run = source.run().await?;
    screen.show(&run)?;
    if let Some(stage) = screen.stage() {
        gather::once(&source, &stage).await?;
        // It is over, and looked at until it is left.
        return pending().await;
    }
    Ok(run)
}

/// The run at `url` at its end.
async fn live(url: &Uri, options: &args::Watch, screen: &mut Screen<'_>) -> Result<Run, Failure> {
    let mut lost: Option<Instant> = None;
    let mut pause = FIRST_PAUSE;
    loop {
        let connected = Instant::now();
        let failure = match follow(url, options.interval, screen, &mut lost).await {
            Ok(run) => return Ok(run),
            Err(failure) => failure,
        };
        // Nothing has been shown yet: more likely a wrong address than a coordinator that is being restarted.
        if !screen.has_shown() || !failure.may_pass() {
            return Err(failure);
        }
        // One that comes and goes is asked ever less often.
        if connected.elapsed() > LAST_PAUSE {
            pause = FIRST_PAUSE;
        }
        let since = *lost.get_or_insert_with(Instant::now);
        if since.elapsed() + pause > options.patience {
            return Err(failure);
        }
        screen.note(&format!("{failure} (next attempt in {})", duration(pause.as_secs_f64())))?;
        sleep(pause).await;
        pause = (2 * pause).min(LAST_PAUSE);
    }
}

/// Shows the run as long as one connection holds; returns it when it is over. Clears `lost` when the coordinator speaks.
async fn follow(
    url: &Uri,
    interval: Duration,
    screen: &mut Screen<'_>,
    lost: &mut Option<Instant>,
) -> Result<Run, Failure> {
    let coordinator = Coordinator::connect(url).await?;
    let mut changes = coordinator.watch(interval).await?;
    let mut run = changes.next().await?;
    screen.show(&run)?;
    let stage = screen.stage();
    let mut asking = pin!(async {
        match stage {
            Some(stage) => gather::gather(coordinator, stage).await,
            None => pending().await,
        }
    });
    loop {
        *lost = None;
        if ::view::is_over(run.state()) {
            return Ok(run);
        }
        run = select! {
            run = changes.next() => run?,
            never = &mut asking => match never {},
        };
        screen.show(&run)?;
    }
}

/// Success, unless the run failed.
fn end(run: &Run) -> Result<(), Failure> {
    match run.state() {
        RunState::Failed => Err(Failure::RunFailed { reason: one_line(&run.reason) }),
        _ => Ok(()),
    }
}
