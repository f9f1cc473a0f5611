//! A webhook: each alert by POST, and again if it is not taken.

use super::note::Note;
use std::{thread::sleep, time::Duration};
use ureq::{Agent, Error};
use url::Url;

/// How long an attempt may take.
const TIME: Duration = Duration::from_secs(10);
/// Before the second attempt. It doubles with each.
const PAUSE: Duration = Duration::from_secs(1);
/// Attempts before an alert is given up.
const ATTEMPTS: u32 = 5;

/// Tells `url`.
///
/// # Errors
/// If it does not take the alert, in words.
pub fn post(url: &Url, note: &Note) -> Result<(), String> {
    let body = note.json()?;
    let agent = Agent::new_with_config(Agent::config_builder().timeout_global(Some(TIME)).build());
    let mut pause = PAUSE;
    for attempt in 1.. {
        match agent.post(url.as_str()).header("Content-Type", "application/json").send(&body) {
            Ok(_) => return Ok(()),
            Err(error) if attempt == ATTEMPTS || !may_pass(&error) => return Err(why(&error)),
            Err(_) => sleep(pause),
        }
        pause *= 2;
    }
    Ok(())
}

/// Whether another attempt may succeed.
fn may_pass(error: &Error) -> bool {
    match error {
        Error::StatusCode(status) => *status >= 500 || *status == 429 || *status == 408,
        Error::BadUri(_) => false,
        _ => true,
    }
}

fn why(error: &Error) -> String {
    match error {
        Error::StatusCode(status) => format!("it answers {status}"),
        other => other.to_string(),
    }
}
