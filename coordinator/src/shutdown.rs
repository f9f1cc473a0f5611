//! Being asked to stop.

use tokio::signal::unix::{SignalKind, signal};

/// The exit code of a process that was interrupted twice.
const INTERRUPTED: i32 = 130;

/// Ends with the first SIGINT or SIGTERM, and says which it was. A second one ends the process at once: what is on disk
/// is whole, whatever was under way.
pub async fn stop_signal() -> String {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    let name = tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    };
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        std::process::exit(INTERRUPTED);
    });
    format!("asked to by {name}")
}
