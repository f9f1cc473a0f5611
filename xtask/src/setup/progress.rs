//! Progress bars. On anything but a terminal they are not drawn, and a line says what is being done instead.

use std::borrow::Cow;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar for `what`, over `bytes` if their number is known.
pub fn bar(what: impl Into<Cow<'static, str>>, bytes: Option<u64>) -> ProgressBar {
    let what = what.into();
    let bar = match bytes {
        Some(bytes) => ProgressBar::new(bytes),
        None => ProgressBar::new_spinner(),
    };
    let template = match bytes {
        Some(_) => "{msg} {wide_bar} {bytes}/{total_bytes} {eta}",
        None => "{spinner} {msg} {elapsed}",
    };
    if bar.is_hidden() {
        println!("{what}");
    }
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(what);
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    bar
}
