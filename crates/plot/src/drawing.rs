//! What a picture is made of.

use crate::Colour;
use crate::shape::{At, Shape, Stroke, Text};
use crate::text::clean;

/// A picture: shapes in the order in which they are drawn. It becomes an SVG by [`svg`](crate::svg) and a PNG by
/// [`png`](crate::png()).
///
/// ```
/// use plot::{Colour, Drawing, Text};
///
/// let mut drawing = Drawing::new((120.0, 40.0), "A greeting");
/// drawing.text(Text::new((10.0, 25.0), "Hello & goodbye", 12.0, Colour::hex(0x1B_1F24)));
/// assert!(plot::svg(&drawing).contains("Hello &amp; goodbye"));
/// assert!(plot::png(&drawing, 2.0)?.starts_with(b"\x89PNG"));
/// # Ok::<(), plot::PlotError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    width: u32,
    height: u32,
    title: String,
    description: String,
    background: Option<Colour>,
    shapes: Vec<Shape>,
}

impl Drawing {
    /// An empty one of a width and a height, which are rounded up to whole pixels. The title is for screen readers.
    #[must_use]
    pub fn new((width, height): (f32, f32), title: &str) -> Self {
        let whole = |length: f32| (length.ceil() as u32).max(1);
        Self {
            width: whole(width),
            height: whole(height),
            title: clean(title),
            description: String::new(),
            background: None,
            shapes: Vec::new(),
        }
    }

    /// The same, with words for screen readers that say what there is to see.
    #[must_use]
    pub fn described(self, description: &str) -> Self {
        Self { description: clean(description), ..self }
    }

    /// The same, on a background.
    #[must_use]
    pub fn on(self, background: Option<Colour>) -> Self {
        Self { background, ..self }
    }

    /// Draws `shape` above all others. What has no place in a picture is left out: places that are no numbers, text without
    /// letters, lines of one point. Text is made safe to show.
    pub fn push(&mut self, shape: Shape) {
        let finite = |numbers: &[f32]| numbers.iter().all(|number| number.is_finite());
        let kept = match &shape {
            Shape::Rectangle { at, size, radius, .. } => {
                finite(&[at.0, at.1, size.0, size.1, *radius]) && size.0 > 0.0 && size.1 > 0.0
            }
            Shape::Frame { at, size, stroke } => {
                finite(&[at.0, at.1, size.0, size.1, stroke.width]) && size.0 > 0.0 && size.1 > 0.0
            }
            Shape::Polyline { points, stroke } => {
                points.len() > 1 && finite(&[stroke.width]) && points.iter().all(|point| finite(&[point.0, point.1]))
            }
            Shape::Circle { at, radius, .. } => finite(&[at.0, at.1, *radius]) && *radius > 0.0,
            Shape::Text(text) => finite(&[text.at.0, text.at.1, text.size]) && text.size > 0.0,
            Shape::Image { at, side, .. } => finite(&[at.0, at.1, *side]) && *side > 0.0,
        };
        match shape {
            _ if !kept => {}
            Shape::Text(text) => {
                let cleaned = clean(&text.text);
                if !cleaned.is_empty() {
                    self.shapes.push(Shape::Text(Text { text: cleaned, ..text }));
                }
            }
            shape => self.shapes.push(shape),
        }
    }

    /// Writes a line of text.
    pub fn text(&mut self, text: Text) {
        self.push(Shape::Text(text));
    }

    /// Draws a straight line.
    pub fn line(&mut self, from: At, to: At, stroke: Stroke) {
        self.push(Shape::Polyline { points: vec![from, to], stroke });
    }

    /// Fills a rectangle with sharp corners.
    pub fn rectangle(&mut self, at: At, size: (f32, f32), fill: Colour) {
        self.push(Shape::Rectangle { at, size, radius: 0.0, fill });
    }

    /// Width in logical pixels.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in logical pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// What it is called.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What there is to see, in words. Empty if nobody said.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// What is painted first.
    #[must_use]
    pub fn background(&self) -> Option<Colour> {
        self.background
    }

    /// All that is drawn, the lowest first.
    #[must_use]
    pub fn shapes(&self) -> &[Shape] {
        &self.shapes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stroke;

    const INK: Colour = Colour::hex(0);

    #[test]
    fn what_has_no_place_is_left_out() {
        let mut drawing = Drawing::new((f32::NAN, f32::INFINITY), "nowhere");
        drawing.line((0.0, f32::NAN), (1.0, 1.0), Stroke::solid(INK, 1.0));
        drawing.push(Shape::Polyline { points: vec![(0.0, 0.0)], stroke: Stroke::solid(INK, 1.0) });
        drawing.rectangle((0.0, 0.0), (-1.0, 1.0), INK);
        drawing.push(Shape::Circle { at: (f32::INFINITY, 0.0), radius: 1.0, fill: INK });
        drawing.text(Text::new((0.0, 0.0), " \n", 10.0, INK));
        drawing.text(Text::new((0.0, 0.0), "a", f32::NAN, INK));
        assert_eq!(drawing.shapes(), []);
        assert_eq!((drawing.width(), drawing.height()), (1, u32::MAX));
    }

    #[test]
    fn sizes_are_rounded_up() {
        let drawing = Drawing::new((99.01, 50.0), "");
        assert_eq!((drawing.width(), drawing.height()), (100, 50));
    }
}
