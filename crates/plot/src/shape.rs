//! The shapes of a drawing, in logical pixels: x to the right, y downwards.

use crate::text::{CAPITAL, width};
use crate::{Colour, Picture, Weight};

/// A place: x and y.
pub type At = (f32, f32);

/// How a line is interrupted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dash {
    /// Not at all.
    #[default]
    Solid,
    /// Strokes with gaps.
    Dashed,
    /// Points.
    Dotted,
}

impl Dash {
    /// Lengths of a stroke and of a gap, for a line of this width.
    #[must_use]
    pub fn lengths(self, width: f32) -> Option<[f32; 2]> {
        match self {
            Self::Solid => None,
            Self::Dashed => Some([4.0 + width, 2.0 + width]),
            Self::Dotted => Some([width, 2.0 + width]),
        }
    }
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stroke {
    /// With its opacity.
    pub colour: Colour,
    /// Pixels.
    pub width: f32,
    /// How it is interrupted.
    pub dash: Dash,
}

impl Stroke {
    /// A line without interruptions.
    #[must_use]
    pub fn solid(colour: Colour, width: f32) -> Self {
        Self { colour, width, dash: Dash::Solid }
    }
}

/// Which part of a text lies where the text is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Anchor {
    /// Its beginning.
    #[default]
    Start,
    /// Its middle.
    Middle,
    /// Its end.
    End,
}

/// A line of text.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// The anchor, on the baseline.
    pub at: At,
    /// What is written.
    pub text: String,
    /// The size of the font in pixels.
    pub size: f32,
    /// How heavy the letters are.
    pub weight: Weight,
    /// Which part of it lies at `at`.
    pub anchor: Anchor,
    /// With its opacity.
    pub colour: Colour,
    /// Whether it is read from below upwards, turned about `at`.
    pub upwards: bool,
}

impl Text {
    /// Text that begins at `at`.
    #[must_use]
    pub fn new(at: At, text: impl Into<String>, size: f32, colour: Colour) -> Self {
        let text = text.into();
        Self { at, text, size, weight: Weight::Regular, anchor: Anchor::Start, colour, upwards: false }
    }

    /// The same, anchored elsewhere.
    #[must_use]
    pub fn anchored(self, anchor: Anchor) -> Self {
        Self { anchor, ..self }
    }

    /// The same, in heavy letters.
    #[must_use]
    pub fn semi_bold(self) -> Self {
        Self { weight: Weight::SemiBold, ..self }
    }

    /// The same, with the middle of its capital letters where its baseline was.
    #[must_use]
    pub fn centred(self) -> Self {
        let down = CAPITAL / 2.0 * self.size;
        let at = if self.upwards { (self.at.0 + down, self.at.1) } else { (self.at.0, self.at.1 + down) };
        Self { at, ..self }
    }

    /// The same, read upwards.
    #[must_use]
    pub fn upwards(self) -> Self {
        Self { upwards: true, ..self }
    }

    /// How far the text begins before its anchor, along its baseline.
    pub(crate) fn before(&self) -> f32 {
        match self.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => width(&self.text, self.size, self.weight) / 2.0,
            Anchor::End => width(&self.text, self.size, self.weight),
        }
    }

    /// Left, top, right and bottom of what it covers.
    #[must_use]
    pub fn covers(&self) -> [f32; 4] {
        let (x, y) = self.at;
        let (start, end) = (-self.before(), width(&self.text, self.size, self.weight) - self.before());
        let (above, below) = (0.75 * self.size, 0.2 * self.size);
        if self.upwards {
            [x - above, y - end, x + below, y - start]
        } else {
            [x + start, y - above, x + end, y + below]
        }
    }
}

/// One thing that is drawn.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A filled rectangle.
    Rectangle {
        /// Left and top.
        at: At,
        /// Width and height.
        size: (f32, f32),
        /// Of its rounded corners.
        radius: f32,
        /// With its opacity.
        fill: Colour,
    },
    /// The edge of a rectangle.
    Frame {
        /// Left and top.
        at: At,
        /// Width and height.
        size: (f32, f32),
        /// The line along the edge, half of it outside.
        stroke: Stroke,
    },
    /// Lines from point to point.
    Polyline {
        /// Two or more.
        points: Vec<At>,
        /// How they are drawn.
        stroke: Stroke,
    },
    /// A filled circle.
    Circle {
        /// Its centre.
        at: At,
        /// Pixels.
        radius: f32,
        /// With its opacity.
        fill: Colour,
    },
    /// A line of text.
    Text(Text),
    /// An image, as large as `side` says. A smaller one is enlarged without smoothing.
    Image {
        /// Left and top.
        at: At,
        /// Width and height.
        side: f32,
        /// Its pixels.
        picture: Picture,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const INK: Colour = Colour::hex(0);

    #[test]
    fn anchors_and_turns_move_what_is_covered() {
        let text = Text::new((100.0, 100.0), "abc", 10.0, INK);
        let wide = width("abc", 10.0, Weight::Regular);
        assert_eq!(text.covers(), [100.0, 92.5, 100.0 + wide, 102.0]);
        assert_eq!(text.clone().anchored(Anchor::End).covers(), [100.0 - wide, 92.5, 100.0, 102.0]);
        assert_eq!(text.upwards().covers(), [92.5, 100.0 - wide, 102.0, 100.0]);
    }
}
