//! A drawing as PNG.

use crate::drawing::Drawing;
use crate::shape::{Shape, Stroke, Text};
use crate::text::outline;
use crate::{Colour, Picture, PlotError};
use png::{BitDepth, ColorType, Compression, Encoder};
use tiny_skia::{
    Color, FillRule, FilterQuality, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, PixmapPaint,
    PremultipliedColorU8, Rect, StrokeDash, Transform,
};

/// No side of a PNG is longer, in pixels.
pub const LARGEST_SIDE: u64 = 16_384;
/// No PNG has more pixels. Drawing so many takes 256 MiB of memory.
pub const MOST_PIXELS: u64 = 1 << 26;

/// `drawing` as a PNG file, each logical pixel of which is `scale` pixels wide and high. Sides are rounded up. It is RGB, or RGBA
/// if the drawing has no opaque background.
///
/// # Errors
/// - [`PlotError::Scale`] if `scale` is no number above 0.
/// - [`PlotError::TooLarge`] beyond [`LARGEST_SIDE`] or [`MOST_PIXELS`].
pub fn png(drawing: &Drawing, scale: f32) -> Result<Vec<u8>, PlotError> {
    if !scale.is_finite() || scale <= 0.0 {
        return Err(PlotError::Scale(scale));
    }
    let pixels = |length: u32| (f64::from(length) * f64::from(scale)).ceil() as u64;
    let (width, height) = (pixels(drawing.width()), pixels(drawing.height()));
    let too_large = PlotError::TooLarge { width, height };
    if width.max(height) > LARGEST_SIDE || width * height > MOST_PIXELS {
        return Err(too_large);
    }
    let (width, height) = (width as u32, height as u32);
    let mut canvas = Canvas { map: Pixmap::new(width, height).ok_or(too_large)?, scale };
    if let Some(background) = drawing.background() {
        canvas.map.fill(colour(background));
    }
    for shape in drawing.shapes() {
        canvas.draw(shape);
    }
    let pixels = canvas.map.pixels().iter().map(PremultipliedColorU8::demultiply);
    if drawing.background().is_some_and(|background| background.alpha == 255) {
        let rgb: Vec<u8> = pixels.flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue()]).collect();
        encode(width, height, ColorType::Rgb, Compression::Balanced, &rgb)
    } else {
        let rgba: Vec<u8> =
            pixels.flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue(), pixel.alpha()]).collect();
        encode(width, height, ColorType::Rgba, Compression::Balanced, &rgba)
    }
}

/// A PNG file of RGB, made quickly: for images that are small.
pub(crate) fn encode_rgb(width: u32, height: u32, rgb: &[u8]) -> Result<Vec<u8>, PlotError> {
    encode(width, height, ColorType::Rgb, Compression::Fast, rgb)
}

fn encode(
    width: u32,
    height: u32,
    channels: ColorType,
    compression: Compression,
    bytes: &[u8],
) -> Result<Vec<u8>, PlotError> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, width, height);
    encoder.set_color(channels);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(compression);
    encoder.write_header()?.write_image_data(bytes)?;
    Ok(file)
}

fn colour(Colour { rgb: [red, green, blue], alpha }: Colour) -> Color {
    Color::from_rgba8(red, green, blue, alpha)
}

fn paint(fill: Colour) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color(colour(fill));
    paint
}

/// The letters of a text are drawn as one path.
struct Pen(PathBuilder);

impl ttf_parser::OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.0.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.0.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.0.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.0.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.0.close();
    }
}

struct Canvas {
    map: Pixmap,
    scale: f32,
}

impl Canvas {
    /// From logical pixels to those of the file.
    fn transform(&self) -> Transform {
        Transform::from_scale(self.scale, self.scale)
    }

    fn draw(&mut self, shape: &Shape) {
        match shape {
            Shape::Rectangle { at, size, radius, fill } => {
                if let Some(path) = rounded(*at, *size, *radius) {
                    self.fill(&path, *fill, self.transform());
                }
            }
            Shape::Frame { at, size, stroke } => {
                if let Some(path) = rounded(*at, *size, 0.0) {
                    self.stroke(&path, *stroke);
                }
            }
            Shape::Polyline { points, stroke } => {
                let mut builder = PathBuilder::new();
                for (index, (x, y)) in points.iter().enumerate() {
                    if index == 0 { builder.move_to(*x, *y) } else { builder.line_to(*x, *y) }
                }
                if let Some(path) = builder.finish() {
                    self.stroke(&path, *stroke);
                }
            }
            Shape::Circle { at, radius, fill } => {
                if let Some(path) = PathBuilder::from_circle(at.0, at.1, *radius) {
                    self.fill(&path, *fill, self.transform());
                }
            }
            Shape::Text(text) => self.text(text),
            Shape::Image { at, side, picture } => self.image(*at, *side, picture),
        }
    }

    fn fill(&mut self, path: &Path, fill: Colour, transform: Transform) {
        self.map.fill_path(path, &paint(fill), FillRule::Winding, transform, None);
    }

    fn stroke(&mut self, path: &Path, stroke: Stroke) {
        let dash = stroke.dash.lengths(stroke.width).and_then(|lengths| StrokeDash::new(lengths.to_vec(), 0.0));
        let line = tiny_skia::Stroke {
            width: stroke.width,
            line_cap: LineCap::Butt,
            line_join: if dash.is_some() { LineJoin::Miter } else { LineJoin::Round },
            dash,
            ..tiny_skia::Stroke::default()
        };
        self.map.stroke_path(path, &paint(stroke.colour), &line, self.transform(), None);
    }

    fn text(&mut self, text: &Text) {
        let mut pen = Pen(PathBuilder::new());
        outline(&text.text, text.size, text.weight, (-text.before(), 0.0), &mut pen);
        let Some(path) = pen.0.finish() else { return };
        let mut transform = self.transform().pre_translate(text.at.0, text.at.1);
        if text.upwards {
            transform = transform.pre_concat(Transform::from_rotate(-90.0));
        }
        self.fill(&path, text.colour, transform);
    }

    fn image(&mut self, (x, y): (f32, f32), side: f32, picture: &Picture) {
        let Some(mut source) = Pixmap::new(picture.side(), picture.side()) else { return };
        for (to, from) in source.data_mut().chunks_exact_mut(4).zip(picture.rgb().chunks_exact(3)) {
            to.copy_from_slice(&[from[0], from[1], from[2], 255]);
        }
        let enlarged = side * self.scale >= picture.side() as f32;
        let quality = if enlarged { FilterQuality::Nearest } else { FilterQuality::Bilinear };
        let ratio = side / picture.side() as f32;
        let transform = self.transform().pre_translate(x, y).pre_scale(ratio, ratio);
        let paint = PixmapPaint { quality, ..PixmapPaint::default() };
        self.map.draw_pixmap(0, 0, source.as_ref(), &paint, transform, None);
    }
}

/// The edge of a rectangle whose corners are quarters of circles, or nearly: each is one cubic curve.
fn rounded((x, y): (f32, f32), (width, height): (f32, f32), radius: f32) -> Option<Path> {
    let radius = radius.clamp(0.0, width.min(height) / 2.0);
    if radius == 0.0 {
        return Rect::from_xywh(x, y, width, height).map(PathBuilder::from_rect);
    }
    let (right, bottom) = (x + width, y + height);
    // How far the control points of a quarter of a circle lie from its ends, from the corner's side.
    let rest = radius * (1.0 - 0.552_284_8);
    let mut path = PathBuilder::new();
    path.move_to(x + radius, y);
    path.line_to(right - radius, y);
    path.cubic_to(right - rest, y, right, y + rest, right, y + radius);
    path.line_to(right, bottom - radius);
    path.cubic_to(right, bottom - rest, right - rest, bottom, right - radius, bottom);
    path.line_to(x + radius, bottom);
    path.cubic_to(x + rest, bottom, x, bottom - rest, x, bottom - radius);
    path.line_to(x, y + radius);
    path.cubic_to(x, y + rest, x + rest, y, x + radius, y);
    path.close();
    path.finish()
}
