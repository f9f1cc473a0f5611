//! `cox events`: what happened, in words.

use crate::{
    args::Events,
    error::Failure,
    look::{Ink, Look},
    output::Output,
    source::Source,
};
use program::text::one_line;
use proto::v1::Event;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::sleep;
use tonic::transport::Uri;
use view::EventView;

/// Between two looks for more.
const INTERVAL: Duration = Duration::from_millis(500);

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
    loop {
        // Asked before: what came before the end is told.
        let over = view::is_over(source.run().await?.state());
        let more = source.events(next, &options.grep).await?;
        print(&more, output)?;
        next = more.last().map_or(next, |event| event.number + 1);
        if over {
            return Ok(());
        }
        sleep(INTERVAL).await;
    }
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
