//! The reduced vector.

use std::ops::Range;
use tch::{TchError, Tensor};

/// The reduced vector of a step, in pieces. They may be other workers' memory. So they are only read, and only until
/// the reducer releases the sum.
#[derive(Debug)]
pub struct Sum(Vec<(Range<usize>, Tensor)>);

impl Sum {
    /// A sum of `pieces`, each with its place in the vector.
    pub(crate) fn of_pieces(pieces: Vec<(Range<usize>, Tensor)>) -> Self {
        Self(pieces)
    }

    /// A sum in one piece.
    #[must_use]
    pub fn whole(vector: Tensor) -> Self {
        Self(vec![(0..vector.numel(), vector)])
    }

    /// The elements before `end`, in pieces, each with its place in the vector.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn before(&self, end: usize) -> Result<Vec<(Range<usize>, Tensor)>, TchError> {
        self.0
            .iter()
            .filter(|(range, _)| range.start < end)
            .map(|(range, piece)| {
                let range = range.start..range.end.min(end);
                let piece = piece.f_narrow(0, 0, range.len() as i64)?;
                Ok((range, piece))
            })
            .collect()
    }

    /// The elements in `range`, which have to lie in one piece. Elements that are no gradients always do.
    ///
    /// # Errors
    /// If they lie in several pieces.
    pub fn within(&self, range: &Range<usize>) -> Result<Tensor, TchError> {
        let piece = self.0.iter().find(|(piece, _)| piece.start <= range.start && range.end <= piece.end);
        let (piece, tensor) =
            piece.ok_or_else(|| TchError::Shape(format!("{range:?} of a sum does not lie in one piece")))?;
        tensor.f_narrow(0, (range.start - piece.start) as i64, range.len() as i64)
    }
}
