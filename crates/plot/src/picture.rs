//! Square images of pixels.

use crate::PlotError;
use std::sync::Arc;

/// A square image of RGB, 8 bits a channel, rows from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    side: u32,
    rgb: Arc<[u8]>,
}

impl Picture {
    /// Of `side` x `side` pixels, each of them red, green, blue.
    ///
    /// # Errors
    /// [`PlotError::Picture`] if `rgb` has another length, or none at all.
    pub fn new(side: u32, rgb: impl Into<Arc<[u8]>>) -> Result<Self, PlotError> {
        let rgb = rgb.into();
        let expected = 3 * u64::from(side) * u64::from(side);
        if rgb.is_empty() || rgb.len() as u64 != expected {
            return Err(PlotError::Picture { side, expected, bytes: rgb.len() });
        }
        Ok(Self { side, rgb })
    }

    /// Of three planes, as CIFAR has them: all reds, all greens, all blues.
    ///
    /// # Errors
    /// As [`Picture::new`].
    pub fn from_planes(side: u32, planes: &[u8]) -> Result<Self, PlotError> {
        let pixels = planes.len() / 3;
        if !planes.len().is_multiple_of(3) {
            return Self::new(side, planes);
        }
        let rgb: Vec<u8> = (0..pixels).flat_map(|at| [0, 1, 2].map(|channel| planes[channel * pixels + at])).collect();
        Self::new(side, rgb)
    }

    /// The same, each pixel as a square of `times` x `times`.
    pub(crate) fn enlarged(&self, times: u32) -> Self {
        let times = times.max(1);
        let row = |row: &[u8]| -> Vec<u8> {
            row.as_chunks::<3>()
                .0
                .iter()
                .flat_map(|pixel| std::iter::repeat_n(*pixel, times as usize))
                .flatten()
                .collect()
        };
        let rows = self.rgb.chunks(3 * self.side as usize).map(row);
        let rgb: Vec<u8> = rows.flat_map(|row| row.repeat(times as usize)).collect();
        Self { side: self.side * times, rgb: rgb.into() }
    }

    /// Its side in pixels.
    #[must_use]
    pub fn side(&self) -> u32 {
        self.side
    }

    /// Its bytes: red, green, blue, pixel by pixel.
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_become_pixels() {
        let planes: Vec<u8> = (0..12).collect();
        let picture = Picture::from_planes(2, &planes).unwrap();
        assert_eq!(picture.rgb(), [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]);
    }

    #[test]
    fn pixels_become_squares() {
        let rgb = [[1, 1, 1], [2, 2, 2], [3, 3, 3], [4, 4, 4]].concat();
        let enlarged = Picture::new(2, rgb).unwrap().enlarged(2);
        let reds: Vec<u8> = enlarged.rgb().iter().step_by(3).copied().collect();
        assert_eq!((enlarged.side(), reds), (4, vec![1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4]));
    }

    #[test]
    fn a_buffer_of_another_length_is_refused() {
        let error = Picture::new(2, [0; 11]).unwrap_err().to_string();
        assert_eq!(error, "an image of side 2 has 12 bytes of RGB, and 11 were given");
        assert!(Picture::from_planes(2, &[0; 11]).is_err());
        assert!(Picture::new(0, []).is_err());
        assert!(Picture::new(u32::MAX, [0; 3]).is_err());
    }
}
