//! The flags of alerts.

use super::AlertOptions;
use alerts::Rules;
use program::arguments::some_time;
use std::time::Duration;
use url::Url;

/// Who is told at once when something happens, and of what.
#[derive(Debug, Clone, clap::Args)]
pub struct AlertArgs {
    /// Send each alert as JSON to this address by POST: a worker is lost, the run stands still, the disk is nearly full
    #[arg(long = "alert-webhook", id = "alert_webhook", value_name = "URL", value_parser = web_address)]
    pub webhook: Option<Url>,

    /// Run this command of the shell for each alert. It gets the alert as JSON on its standard input
    #[arg(long = "alert-command", id = "alert_command", value_name = "COMMAND")]
    pub command: Option<String>,

    /// Alert when the test accuracy reaches this, from 0 to 1
    #[arg(long = "alert-accuracy-above", id = "alert_accuracy_above", value_name = "FRACTION", value_parser = fraction)]
    pub accuracy_above: Option<f64>,

    /// Alert when the test accuracy is below this after an epoch, from 0 to 1
    #[arg(long = "alert-accuracy-below", id = "alert_accuracy_below", value_name = "FRACTION", value_parser = fraction)]
    pub accuracy_below: Option<f64>,

    /// Alert when the run gets no further for so long
    #[arg(long = "alert-stalled-after", id = "alert_stalled_after", value_name = "TIME", default_value = "10m", value_parser = some_time)]
    pub stalled_after: Duration,
}

impl AlertArgs {
    /// As the thread that keeps a lookout takes them. It is told whether lost workers are `started_again` by themselves.
    pub(crate) fn options(&self, started_again: bool) -> AlertOptions {
        let Self { webhook, command, accuracy_above, accuracy_below, stalled_after } = self.clone();
        let rules = Rules { started_again, stalled_after, accuracy_above, accuracy_below, ..Rules::default() };
        AlertOptions { rules, webhook, command }
    }
}

/// An address of the web.
fn web_address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    url.ok_or_else(|| "give the address that takes alerts, such as https://host.example/alerts".to_owned())
}

/// A number from 0 to 1.
fn fraction(text: &str) -> Result<f64, String> {
    let fraction = text.parse::<f64>().ok().filter(|fraction| (0.0..=1.0).contains(fraction));
    fraction.ok_or_else(|| "it has to be from 0 to 1, such as 0.85".to_owned())
}
