//! The state of a run between two steps.

use crate::Error;
use plan::{Position, Totals, digest_floats, digest_numbers};
use resnet::Layout;

/// All that training goes on from: the same bytes on every worker.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// The next step.
    pub position: Position,
    /// Of the epoch in progress.
    pub totals: Totals,
    /// The flat buffer of parameters.
    pub parameters: Vec<f32>,
    /// The flat buffer of running statistics.
    pub statistics: Vec<f32>,
    /// SGD's momentum, laid out as the parameters.
    pub momentum: Vec<f32>,
}

impl State {
    /// The state in which a run of `seed` begins.
    #[must_use]
    pub fn initial(layout: &Layout, seed: u64) -> Self {
        Self {
            position: Position::default(),
            totals: Totals::default(),
            parameters: resnet::initial_parameters(layout, seed),
            statistics: resnet::initial_statistics(layout),
            momentum: vec![0.0; layout.parameters()],
        }
    }

    /// The digest by which workers are compared, computed on at most `threads` threads.
    #[must_use]
    pub fn digest(&self, threads: usize) -> u64 {
        let mut first = 0;
        let mut digest = 0_u64;
        for buffer in [&self.parameters, &self.statistics, &self.momentum] {
            digest = digest.wrapping_add(digest_floats(buffer, first, threads));
            first += buffer.len() as u64;
        }
        digest.wrapping_add(digest_numbers(self.position, self.totals, first))
    }

    /// Whether all weights are finite. What has lost that never finds back to it.
    #[must_use]
    pub fn has_numbers(&self) -> bool {
        self.parameters.iter().chain(&self.statistics).all(|value| value.is_finite())
    }

    /// Checks the sizes of the buffers.
    ///
    /// # Errors
    /// The first buffer that has another size than `layout` says.
    pub fn check(&self, model: &str, layout: &Layout) -> Result<(), Error> {
        let sizes = [
            ("parameters", self.parameters.len(), layout.parameters()),
            ("running statistics", self.statistics.len(), layout.statistics()),
            ("momentum values", self.momentum.len(), layout.parameters()),
        ];
        match sizes.into_iter().find(|(_, got, expected)| got != expected) {
            None => Ok(()),
            Some((what, got, expected)) => Err(Error::WrongSize { model: model.to_owned(), what, expected, got }),
        }
    }
}
