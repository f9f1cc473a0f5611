//! A webhook: each alert by POST.

use super::note::Note;
use crate::outgoing::Receiver;
use std::time::Duration;
use url::Url;

/// How long an attempt may take.
const TIME: Duration = Duration::from_secs(10);
/// Attempts before an alert is given up.
const ATTEMPTS: u32 = 5;

/// Tells `url`.
///
/// # Errors
/// If it does not take the alert, in words.
pub fn post(url: &Url, note: &Note) -> Result<(), String> {
    Receiver::open(url.as_str()).post(&note.json()?, ATTEMPTS, TIME)
}
