//! How fast training goes, for people.

use std::time::Duration;

/// Images a second, smoothed over a few dozen steps.
#[derive(Debug, Default)]
pub(crate) struct Speed {
    images: f64,
    seconds: f64,
}

impl Speed {
    pub fn add(&mut self, images: u64, time: Duration) {
        /// How much an older step counts against the one after it.
        const FADE: f64 = 0.95;
        self.images = self.images * FADE + images as f64;
        self.seconds = self.seconds * FADE + time.as_secs_f64();
    }

    pub fn images_per_second(&self) -> f64 {
        if self.seconds > 0.0 { self.images / self.seconds } else { 0.0 }
    }
}
