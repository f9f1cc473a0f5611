//! How kernels go through the pixels of a batch.
//!
//! Tensors with channels last are a matrix, a row a pixel. Kernels take 64 columns at a time, whose sums fit the
//! registers of a processor with AVX-512. With fewer channels than that several pixels make up one row.

/// Columns that a kernel takes at once.
pub(super) const LANES: usize = 64;

/// Values of 64 neighbouring columns.
pub(super) type Lanes = [f32; LANES];

/// Whether tensors of `channels` channels can be gone through.
pub(super) fn fits(channels: usize) -> bool {
    channels > 0 && (LANES.is_multiple_of(channels) || channels.is_multiple_of(LANES))
}

/// A matrix of pixels by channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tiles {
    /// As the model has them.
    pub channels: usize,
    /// Elements of a row.
    pub stride: usize,
    /// Stretches of so many elements, one after the other.
    pub rows: usize,
}

impl Tiles {
    /// Of `elements` values in `channels` channels; `None` if they do not make up whole rows.
    pub(super) fn new(elements: usize, channels: usize) -> Option<Self> {
        let stride = channels.max(LANES);
        let whole = fits(channels) && elements.is_multiple_of(stride);
        whole.then(|| Self { channels, stride, rows: elements / stride })
    }

    /// Values of a channel.
    pub(super) fn count(self) -> usize {
        self.rows * self.stride / self.channels
    }

    /// `values`, one a channel, as the columns of a row.
    pub(super) fn spread(self, values: impl Fn(usize) -> f32) -> Vec<Lanes> {
        let column = |block: usize, lane: usize| values((block * LANES + lane) % self.channels);
        (0..self.stride / LANES).map(|block| std::array::from_fn(|lane| column(block, lane))).collect()
    }

    /// Sums of columns as sums of channels.
    pub(super) fn gather(self, columns: &[[f64; LANES]]) -> Vec<f64> {
        let mut sums = vec![0.0; self.channels];
        for (column, sum) in columns.as_flattened().iter().enumerate() {
            sums[column % self.channels] += sum;
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pixels_of_few_channels_share_a_row() {
        let tiles = Tiles::new(16 * 100, 16).unwrap();
        assert_eq!((tiles.stride, tiles.rows, tiles.count()), (64, 25, 100));
        assert_eq!(tiles.spread(|channel| channel as f32)[0][17], 1.0);
        assert_eq!(Tiles::new(16 * 101, 16), None);
        assert_eq!(Tiles::new(48, 48), None);
    }

    proptest! {
        #[test]
        fn what_is_spread_and_gathered_is_each_channel_as_often_as_it_has_columns(exponent in 0u32..10) {
            let channels = 1 << exponent;
            let tiles = Tiles::new(channels.max(LANES), channels).unwrap();
            let columns: Vec<_> = tiles.spread(|channel| channel as f32).iter().map(|l| l.map(f64::from)).collect();
            let copies = (tiles.stride / channels) as f64;
            let expected: Vec<f64> = (0..channels).map(|channel| channel as f64 * copies).collect();
            prop_assert_eq!(tiles.gather(&columns), expected);
        }
    }
}
