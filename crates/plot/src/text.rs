//! How wide text is, and what letters look like.
//!
//! Both come from two subsets of Inter that are part of the program (`fonts/`). Layout goes by these widths for SVG too.
//! A viewer without Inter uses Helvetica or Arial, whose letters are narrower.

use std::sync::LazyLock;
use ttf_parser::{Face, GlyphId, OutlineBuilder};

/// How heavy letters are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Weight {
    /// 400 of CSS.
    #[default]
    Regular,
    /// 600 of CSS.
    SemiBold,
}

/// How high capital letters are, in sizes of the font.
pub const CAPITAL: f32 = 0.727;

static REGULAR: LazyLock<Option<Face<'static>>> =
    LazyLock::new(|| Face::parse(include_bytes!("../fonts/Inter-Regular.otf"), 0).ok());
static SEMI_BOLD: LazyLock<Option<Face<'static>>> =
    LazyLock::new(|| Face::parse(include_bytes!("../fonts/Inter-SemiBold.otf"), 0).ok());

fn face(weight: Weight) -> Option<&'static Face<'static>> {
    match weight {
        Weight::Regular => REGULAR.as_ref(),
        Weight::SemiBold => SEMI_BOLD.as_ref(),
    }
}

/// The face and the glyph of `letter`, if the font has it.
fn glyph(letter: char, weight: Weight) -> Option<(&'static Face<'static>, GlyphId)> {
    let face = face(weight)?;
    Some((face, face.glyph_index(letter)?))
}

/// How far `letter` advances, in sizes of the font. The scripts of East Asia and pictographs, which the font has not, are
/// square.
fn advance(letter: char, weight: Weight) -> f32 {
    let known = glyph(letter, weight)
        .and_then(|(face, glyph)| Some(f32::from(face.glyph_hor_advance(glyph)?) / f32::from(face.units_per_em())));
    known.unwrap_or(if letter < '\u{1100}' { 0.7 } else { 1.05 })
}

/// How wide `text` is in a font of `size` pixels.
#[must_use]
pub fn width(text: &str, size: f32, weight: Weight) -> f32 {
    size * text.chars().map(|letter| advance(letter, weight)).sum::<f32>()
}

/// `text`, or as much of its beginning as is at most `widest` pixels wide, and then an ellipsis. Nothing if not even
/// that fits.
#[must_use]
pub fn fit(text: &str, size: f32, weight: Weight, widest: f32) -> String {
    let text = clean(text);
    let ellipsis = width("…", size, weight);
    let mut reached = 0.0;
    let mut end = 0;
    for (at, letter) in text.char_indices() {
        if reached + ellipsis <= widest {
            end = at;
        }
        reached += size * advance(letter, weight);
        if reached > widest {
            let kept = text[..end].trim_end();
            return if ellipsis <= widest { format!("{kept}…") } else { String::new() };
        }
    }
    text
}

/// `text` as it can be shown: on one line, and without what no XML file may hold or what would turn letters around.
#[must_use]
pub fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            letter if letter.is_whitespace() => {
                if !clean.is_empty() && !clean.ends_with(' ') {
                    clean.push(' ');
                }
            }
            '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' => {}
            '\u{FFFE}' | '\u{FFFF}' => clean.push('\u{FFFD}'),
            letter if letter.is_control() => clean.push('\u{FFFD}'),
            letter => clean.push(letter),
        }
    }
    clean.truncate(clean.trim_end().len());
    clean
}

/// Takes outlines at one size and place: y grows downwards there, and upwards in a font.
struct Placed<'a, B> {
    pen: &'a mut B,
    scale: f32,
    x: f32,
    y: f32,
}

impl<B: OutlineBuilder> OutlineBuilder for Placed<'_, B> {
    fn move_to(&mut self, x: f32, y: f32) {
        self.pen.move_to(self.x + x * self.scale, self.y - y * self.scale);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.pen.line_to(self.x + x * self.scale, self.y - y * self.scale);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let (scale, left, base) = (self.scale, self.x, self.y);
        self.pen.quad_to(left + x1 * scale, base - y1 * scale, left + x * scale, base - y * scale);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let (scale, left, base) = (self.scale, self.x, self.y);
        let (x1, y1, x2, y2) = (left + x1 * scale, base - y1 * scale, left + x2 * scale, base - y2 * scale);
        self.pen.curve_to(x1, y1, x2, y2, left + x * scale, base - y * scale);
    }

    fn close(&mut self) {
        self.pen.close();
    }
}

/// Draws the outlines of `text` with `pen`. It begins at `x` on the baseline `y`. A letter that the font has not is a box.
pub(crate) fn outline(text: &str, size: f32, weight: Weight, (mut x, y): (f32, f32), pen: &mut impl OutlineBuilder) {
    for letter in text.chars() {
        if let Some((face, glyph)) = glyph(letter, weight) {
            let scale = size / f32::from(face.units_per_em());
            face.outline_glyph(glyph, &mut Placed { pen, scale, x, y });
        } else {
            let width = size * (advance(letter, weight) - 0.16);
            hollow(x + 0.08 * size, y, width, CAPITAL * size, 0.07 * size, pen);
        }
        x += size * advance(letter, weight);
    }
}

/// A box without a filling: two rectangles that turn in opposite directions.
fn hollow(x: f32, base: f32, width: f32, height: f32, edge: f32, pen: &mut impl OutlineBuilder) {
    let (right, top) = (x + width, base - height);
    let corners = |pen: &mut dyn OutlineBuilder, corners: [(f32, f32); 4]| {
        pen.move_to(corners[0].0, corners[0].1);
        for corner in &corners[1..] {
            pen.line_to(corner.0, corner.1);
        }
        pen.close();
    };
    corners(pen, [(x, base), (right, base), (right, top), (x, top)]);
    let (x, right, top, base) = (x + edge, right - edge, top + edge, base - edge);
    corners(pen, [(x, base), (x, top), (right, top), (right, base)]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_fonts_are_read() {
        for weight in [Weight::Regular, Weight::SemiBold] {
            let face = face(weight).unwrap();
            for letter in "Epoch 0123456789.,%×–−()…✓✗éőŻΩα".chars() {
                assert!(face.glyph_index(letter).is_some(), "{weight:?} has no {letter}");
            }
        }
        assert!((f32::from(face(Weight::Regular).unwrap().capital_height().unwrap()) / 2816.0 - CAPITAL).abs() < 1e-3);
    }

    #[test]
    fn widths_are_the_fonts() {
        // fontTools: hmtx of H is 2084 and of i 668, of 2816 units.
        assert!((width("Hi", 2816.0, Weight::Regular) - f32::from(H_AND_I)).abs() < 0.5);
        assert!(width("Hi", 10.0, Weight::SemiBold) > width("Hi", 10.0, Weight::Regular));
        assert!(width("漢", 10.0, Weight::Regular) >= 10.0);
    }

    const H_AND_I: u16 = 2084 + 668;

    #[test]
    fn long_text_ends_in_an_ellipsis() {
        let all = width("automobile", 10.0, Weight::Regular);
        assert_eq!(fit("automobile", 10.0, Weight::Regular, all + 0.01), "automobile");
        assert_eq!(fit("automobile", 10.0, Weight::Regular, all - 0.5), "automob…");
        assert_eq!(fit("automobile", 10.0, Weight::Regular, 1.0), "");
    }

    #[test]
    fn what_cannot_be_shown_is_replaced() {
        assert_eq!(clean("a\n\tb  c "), "a b c");
        assert_eq!(clean("a\u{0}b\u{1b}[31m\u{FFFF}"), "a\u{FFFD}b\u{FFFD}[31m\u{FFFD}");
        assert_eq!(clean("\u{202E}cat\u{200B}"), "cat");
    }

    proptest! {
        #[test]
        fn what_fits_is_never_wider(text in any::<String>(), widest in 0.0..200f32) {
            let fitted = fit(&text, 11.0, Weight::Regular, widest);
            prop_assert!(width(&fitted, 11.0, Weight::Regular) <= widest + 0.01, "{fitted:?}");
            prop_assert_eq!(&clean(&fitted), &fitted);
        }
    }
}
