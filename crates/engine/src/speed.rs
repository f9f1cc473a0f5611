//! How fast training goes, for people and to find stragglers.

use std::time::Duration;

/// Times and images, smoothed over a few dozen steps.
#[derive(Debug, Default)]
pub(crate) struct Speed {
    steps: f64,
    images: f64,
    seconds: f64,
    waited: f64,
}

impl Speed {
    /// A step of `images` images that took `time`, of which `waited` for other workers.
    pub fn add(&mut self, images: u64, time: Duration, waited: Duration) {
        /// How much an older step counts against the one after it.
        const FADE: f64 = 0.95;
        let fade = |sum: &mut f64, value: f64| *sum = *sum * FADE + value;
        fade(&mut self.steps, 1.0);
        fade(&mut self.images, images as f64);
        fade(&mut self.seconds, time.as_secs_f64());
        fade(&mut self.waited, waited.as_secs_f64());
    }

    pub fn images_per_second(&self) -> f64 {
        if self.seconds > 0.0 { self.images / self.seconds } else { 0.0 }
    }

    /// Seconds of a step that this worker worked, and that it waited.
    pub fn step(&self) -> (f64, f64) {
        let steps = self.steps.max(1.0);
        ((self.seconds - self.waited).max(0.0) / steps, self.waited / steps)
    }
}
