//! A drawing as SVG.

use crate::drawing::Drawing;
use crate::raster::encode_rgb;
use crate::shape::{Anchor, Dash, Shape, Stroke, Text};
use crate::{Colour, Picture, Weight};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use std::fmt::{self, Write};

const FONTS: &str = "Inter, &quot;Helvetica Neue&quot;, Arial, &quot;Liberation Sans&quot;, sans-serif";

/// `drawing` as an SVG document. Text stays text, and images are embedded. Nothing in it has an id, so a page can hold several.
#[must_use]
pub fn svg(drawing: &Drawing) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = document(&mut out, drawing);
    out
}

fn document(out: &mut String, drawing: &Drawing) -> fmt::Result {
    let (width, height) = (drawing.width(), drawing.height());
    let title = Escaped(drawing.title());
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\" aria-label=\"{title}\" font-family=\"{FONTS}\">"
    )?;
    writeln!(out, "<title>{title}</title>")?;
    if !drawing.description().is_empty() {
        writeln!(out, "<desc>{}</desc>", Escaped(drawing.description()))?;
    }
    if let Some(background) = drawing.background() {
        writeln!(out, "<rect width=\"{width}\" height=\"{height}\"{}/>", Paint("fill", background))?;
    }
    for shape in drawing.shapes() {
        write_shape(out, shape)?;
    }
    out.push_str("</svg>\n");
    Ok(())
}

fn write_shape(out: &mut String, shape: &Shape) -> fmt::Result {
    match shape {
        Shape::Rectangle { at, size, radius, fill } => {
            write!(out, "<rect {}", Box(*at, *size))?;
            if *radius > 0.0 {
                write!(out, " rx=\"{}\"", Number(*radius))?;
            }
            writeln!(out, "{}/>", Paint("fill", *fill))
        }
        Shape::Frame { at, size, stroke } => {
            writeln!(out, "<rect {} fill=\"none\"{}/>", Box(*at, *size), Line(*stroke))
        }
        Shape::Polyline { points, stroke } => {
            out.push_str("<polyline points=\"");
            for (index, (x, y)) in points.iter().enumerate() {
                let gap = if index == 0 { "" } else { " " };
                write!(out, "{gap}{},{}", Number(*x), Number(*y))?;
            }
            writeln!(out, "\" fill=\"none\"{}/>", Line(*stroke))
        }
        Shape::Circle { at: (x, y), radius, fill } => {
            let (x, y, radius) = (Number(*x), Number(*y), Number(*radius));
            writeln!(out, "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"{}/>", Paint("fill", *fill))
        }
        Shape::Text(text) => write_text(out, text),
        Shape::Image { at, side, picture } => write_image(out, *at, *side, picture),
    }
}

fn write_text(out: &mut String, text: &Text) -> fmt::Result {
    let (x, y) = (Number(text.at.0), Number(text.at.1));
    write!(out, "<text x=\"{x}\" y=\"{y}\" font-size=\"{}\"", Number(text.size))?;
    match text.anchor {
        Anchor::Start => {}
        Anchor::Middle => out.push_str(" text-anchor=\"middle\""),
        Anchor::End => out.push_str(" text-anchor=\"end\""),
    }
    if text.weight == Weight::SemiBold {
        out.push_str(" font-weight=\"600\"");
    }
    if text.upwards {
        write!(out, " transform=\"rotate(-90 {x} {y})\"")?;
    }
    writeln!(out, "{}>{}</text>", Paint("fill", text.colour), Escaped(&text.text))
}

/// No image is enlarged beyond this side, in pixels.
const LARGEST_IMAGE: u32 = 2_048;

/// An image is enlarged by a whole number before it is embedded: many viewers would smooth a small one. An image that the encoder
/// refuses is left out; there is no such image.
fn write_image(out: &mut String, at: (f32, f32), side: f32, picture: &Picture) -> fmt::Result {
    let times = ((side as u32).min(LARGEST_IMAGE) / picture.side()).max(1);
    let enlarged = picture.enlarged(times);
    let Ok(encoded) = encode_rgb(enlarged.side(), enlarged.side(), enlarged.rgb()) else { return Ok(()) };
    write!(out, "<image {}", Box(at, (side, side)))?;
    if side >= picture.side() as f32 {
        out.push_str(" image-rendering=\"pixelated\"");
    }
    writeln!(out, " href=\"data:image/png;base64,{}\"/>", BASE64_STANDARD.encode(encoded))
}

/// A length, to a hundredth of a pixel.
struct Number(f32);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Adding zero turns a negative zero into a positive one.
        write!(f, "{}", (f64::from(self.0) * 100.0).round() / 100.0 + 0.0)
    }
}

/// Place and size, as attributes.
struct Box((f32, f32), (f32, f32));

impl fmt::Display for Box {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self((x, y), (width, height)) = *self;
        let [x, y, width, height] = [x, y, width, height].map(Number);
        write!(f, "x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"")
    }
}

/// A colour, as attributes of this name.
struct Paint(&'static str, Colour);

impl fmt::Display for Paint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(name, Colour { rgb: [red, green, blue], alpha }) = self;
        write!(f, " {name}=\"#{red:02x}{green:02x}{blue:02x}\"")?;
        if *alpha < 255 {
            write!(f, " {name}-opacity=\"{}\"", Number(f32::from(*alpha) / 255.0))?;
        }
        Ok(())
    }
}

/// A stroke, as attributes.
struct Line(Stroke);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stroke { colour, width, dash } = self.0;
        write!(f, "{} stroke-width=\"{}\"", Paint("stroke", colour), Number(width))?;
        if let Some([on, off]) = dash.lengths(width) {
            write!(f, " stroke-dasharray=\"{} {}\"", Number(on), Number(off))?;
        }
        match dash {
            Dash::Solid => f.write_str(" stroke-linejoin=\"round\""),
            Dash::Dashed | Dash::Dotted => Ok(()),
        }
    }
}

/// Text for an element or an attribute. It was made clean before.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&apos;")?,
                letter => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_written() {
        let ink = Colour::hex(0x12_3456);
        let mut drawing = Drawing::new((10.0, 20.0), "<a>").described("b & c").on(Some(ink.faded(0.5)));
        drawing.rectangle((1.0, 2.0), (3.0, 4.0), ink);
        let stroke = Stroke { colour: ink, width: 1.0, dash: Dash::Dashed };
        drawing.push(Shape::Frame { at: (0.0, 0.0), size: (5.0, 5.0), stroke });
        drawing.line((0.0, -0.001), (1.234, 5.0), Stroke::solid(ink, 1.5));
        drawing.push(Shape::Circle { at: (5.0, 5.0), radius: 2.0, fill: ink });
        drawing.text(Text::new((3.0, 4.0), "\"it's\"", 9.0, ink).anchored(Anchor::End).semi_bold().upwards());
        let picture = Picture::new(1, [255, 0, 0]).unwrap();
        drawing.push(Shape::Image { at: (1.0, 1.0), side: 8.0, picture });
        let svg = svg(&drawing);
        let lines: Vec<&str> = svg.lines().collect();
        assert!(lines[0].contains("aria-label=\"&lt;a&gt;\""), "{}", lines[0]);
        assert_eq!(
            lines[1..8],
            [
                "<title>&lt;a&gt;</title>",
                "<desc>b &amp; c</desc>",
                "<rect width=\"10\" height=\"20\" fill=\"#123456\" fill-opacity=\"0.5\"/>",
                "<rect x=\"1\" y=\"2\" width=\"3\" height=\"4\" fill=\"#123456\"/>",
                "<rect x=\"0\" y=\"0\" width=\"5\" height=\"5\" fill=\"none\" stroke=\"#123456\" stroke-width=\"1\" \
                 stroke-dasharray=\"5 3\"/>",
                "<polyline points=\"0,0 1.23,5\" fill=\"none\" stroke=\"#123456\" stroke-width=\"1.5\" \
                 stroke-linejoin=\"round\"/>",
                "<circle cx=\"5\" cy=\"5\" r=\"2\" fill=\"#123456\"/>",
            ]
        );
        assert_eq!(
            lines[8],
            "<text x=\"3\" y=\"4\" font-size=\"9\" text-anchor=\"end\" font-weight=\"600\" transform=\"rotate(-90 3 4)\" \
             fill=\"#123456\">&quot;it&apos;s&quot;</text>"
        );
        assert!(lines[9].starts_with("<image x=\"1\" y=\"1\" width=\"8\" height=\"8\" image-rendering=\"pixelated\""));
    }
}
