//! `cox events`: what happened, in words.

use crate::{
    NAME,
    args::Events,
    error::Failure,
    look::{Ink, Look},
    output::Output,
    source::Source,
};
use program::{say, text::one_line};
use proto::v1::Event;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, sleep};
use tonic::transport::Uri;
use view::{EventView, duration};

/// Between two looks for more.
const INTERVAL: Duration = Duration::from_millis(500);
/// Between two looks for a coordinator that went away.
const PAUSE: Duration = Duration::from_secs(2);
/// How long it is looked for: as long as `cox watch` does, unless it says otherwise.
const PATIENCE: Duration = Duration::from_mins(10);

/// Prints what happened, and what happens until the run is over if that is wanted.
///
/// # Errors
/// If it cannot be had or written.
pub async fn events(url: &Uri, options: &Events, output: &Output) -> Result<(), Failure> {
    let source = Source::of(&options.from, url).await?;
    let all = source.events(0, &options.grep).await?;
    let mut next = all.last().map_or(0, |event| event.number + 1);
    let from = options.since.map_or(0.0, |time| now() - time.as_secs_f64());
    let recent: Vec<Event> = all.into_iter().filter(|event| event.at >= from).collect();
    let shown = &recent[recent.len().saturating_sub(options.tail.unwrap_or(usize::MAX))..];
    if !options.follow {
        // As of grep, nothing is printed where something has happened and none of it is wanted.
        return if next == 0 && options.grep.is_empty() && !output.json() {
            output.text("nothing has happened yet\n")
        } else if output.json() {
            output.json_object(&shown.iter().map(EventView::new).collect::<Vec<_>>())
        } else {
            output.lines(shown.iter().map(|event| line(event, output.look())))
        };
    }
    print(shown, output)?;
    let mut lost: Option<Instant> = None;
    loop {
        match more(&source, next, &options.grep).await {
            Ok((over, more)) => {
                lost = None;
                print(&more, output)?;
                next = more.last().map_or(next, |event| event.number + 1);
                if over {
                    return Ok(());
                }
            }
            // A coordinator that was killed is started again, as its run is.
            Err(failure) if failure.may_pass() => {
                if lost.is_none() {
                    say(NAME, &format!("{failure} (it is looked for during {})", duration(PATIENCE.as_secs_f64())));
                }
                if lost.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                    return Err(failure);
                }
            }
            Err(failure) => return Err(failure),
        }
        sleep(if lost.is_some() { PAUSE } else { INTERVAL }).await;
    }
}

/// Whether the run is over, and its events from number `next` on.
async fn more(source: &Source, next: u64, grep: &str) -> Result<(bool, Vec<Event>), Failure> {
    // Asked before: what came before the end is told.
    let over = view::is_over(source.run().await?.state());
    Ok((over, source.events(next, grep).await?))
}

/// Each on a line of its own, as it comes.
fn print(events: &[Event], output: &Output) -> Result<(), Failure> {
    if output.json() {
        return events.iter().try_for_each(|event| output.json_line(&EventView::new(event)));
    }
    output.lines(events.iter().map(|event| line(event, output.look())))
}

/// `2026-11-27 11:40:02  worker-0 came`, in UTC.
#[must_use]
pub fn line(event: &Event, look: Look) -> String {
    format!("{}  {}", look.paint(Ink::Faint, &moment(event.at)), one_line(&event.text))
}

/// A moment in seconds since 1970, as people write it, in UTC.
#[must_use]
pub fn moment(at: f64) -> String {
    // Times that are none, and those beyond the year 9999, are shown as the first moment.
    let at = if (0.0..253_402_300_800.0).contains(&at) { at } else { 0.0 };
    let text = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs_f64(at)).to_string();
    text.replace('T', " ").trim_end_matches('Z').to_owned()
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_moment() {
        let event = Event { number: 1, at: 1_700_000_000.9, text: "w1\nlost".to_owned() };
        assert_eq!(line(&event, Look::plain(80)), "2023-11-14 22:13:20  w1 lost");
        for at in [f64::NAN, -1.0, f64::INFINITY] {
            assert_eq!(moment(at), "1970-01-01 00:00:00");
        }
    }
}
