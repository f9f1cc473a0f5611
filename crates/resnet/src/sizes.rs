//! The sizes that a data set gives a model.

/// The sizes that a data set gives a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Channels of an image.
    pub channels: u32,
    /// Pixels along each side of an image.
    pub side: u32,
    /// What the head tells apart.
    pub classes: u32,
}
