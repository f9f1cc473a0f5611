//! The screen of a terminal as a picture. Letters come from a font; boxes, blocks and braille are drawn, as terminals do.

use std::sync::LazyLock;
use tiny_skia::{Color, FillRule, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, Transform};
use ttf_parser::{Face, OutlineBuilder};

/// A cell, in pixels.
const CELL: (f32, f32) = (18.0, 38.0);
/// The size of letters, in pixels, and how far their base is below the top of a cell.
const LETTERS: (f32, f32) = (29.9, 29.0);
/// Around the cells, and above them for the bar of the window.
const MARGIN: (f32, f32) = (28.0, 76.0);

const GROUND: [u8; 3] = [0x16, 0x1b, 0x22];
const BAR: [u8; 3] = [0x21, 0x28, 0x31];
const INK: [u8; 3] = [0xd7, 0xdd, 0xe5];
/// The first 16 colours, which people choose themselves.
const COLOURS: [[u8; 3]; 16] = [
    [0x2d, 0x33, 0x3b],
    [0xff, 0x7b, 0x72],
    [0x57, 0xc9, 0x7a],
    [0xe6, 0xb4, 0x50],
    [0x6c, 0xb6, 0xff],
    [0xd2, 0xa8, 0xff],
    [0x56, 0xc8, 0xe8],
    [0xcd, 0xd9, 0xe5],
    [0x54, 0x5d, 0x68],
    [0xff, 0x93, 0x8a],
    [0x7e, 0xdb, 0x98],
    [0xf2, 0xcc, 0x76],
    [0x96, 0xd0, 0xff],
    [0xdc, 0xbd, 0xfb],
    [0x7e, 0xdc, 0xf2],
    [0xff, 0xff, 0xff],
];

static REGULAR: LazyLock<Face<'static>> = LazyLock::new(|| face(include_bytes!("../fonts/DejaVuSansMono.ttf")));
static BOLD: LazyLock<Face<'static>> = LazyLock::new(|| face(include_bytes!("../fonts/DejaVuSansMono-Bold.ttf")));

fn face(bytes: &'static [u8]) -> Face<'static> {
    Face::parse(bytes, 0).expect("the font can be read")
}

/// `screen` as a PNG file, in a window of that title.
///
/// # Panics
/// If there is no memory for it.
#[must_use]
pub fn png(screen: &vt100::Screen, title: &str) -> Vec<u8> {
    let (rows, columns) = screen.size();
    let width = f32::from(columns) * CELL.0 + 2.0 * MARGIN.0;
    let height = f32::from(rows) * CELL.1 + MARGIN.0 + MARGIN.1;
    let mut canvas = Canvas(Pixmap::new(width as u32, height as u32).expect("there is memory"));
    canvas.0.fill(colour(GROUND));
    canvas.rectangle((0.0, 0.0, width, MARGIN.1 - 22.0), BAR);
    for (index, light) in [[0xff, 0x5f, 0x57], [0xfe, 0xbc, 0x2e], [0x28, 0xc8, 0x40]].into_iter().enumerate() {
        canvas.circle((34.0 + 34.0 * index as f32, 27.0), 10.0, light);
    }
    let left = (width - title.chars().count() as f32 * CELL.0) / 2.0;
    for (index, letter) in title.chars().enumerate() {
        canvas.letter(letter, (left + index as f32 * CELL.0, 8.0), [0x9a, 0xa5, 0xb1], false);
    }
    for row in 0..rows {
        for column in 0..columns {
            if let Some(cell) = screen.cell(row, column) {
                canvas.cell(cell, (MARGIN.0 + f32::from(column) * CELL.0, MARGIN.1 + f32::from(row) * CELL.1));
            }
        }
    }
    canvas.0.encode_png().expect("there is memory")
}

fn colour([red, green, blue]: [u8; 3]) -> Color {
    Color::from_rgba8(red, green, blue, 255)
}

/// A colour of the terminal; `usual` where it is left open.
fn rgb(of: vt100::Color, usual: [u8; 3]) -> [u8; 3] {
    match of {
        vt100::Color::Default => usual,
        vt100::Color::Rgb(red, green, blue) => [red, green, blue],
        vt100::Color::Idx(index @ 0..16) => COLOURS[usize::from(index)],
        vt100::Color::Idx(index @ 232..) => [8 + 10 * (index - 232); 3],
        vt100::Color::Idx(index) => {
            let level = |level: u8| if level == 0 { 0 } else { 55 + 40 * level };
            [level((index - 16) / 36), level((index - 16) / 6 % 6), level((index - 16) % 6)]
        }
    }
}

/// The middle of two colours.
fn between(one: [u8; 3], other: [u8; 3]) -> [u8; 3] {
    [0, 1, 2].map(|channel| u8::midpoint(one[channel], other[channel]))
}

struct Canvas(Pixmap);

impl Canvas {
    fn cell(&mut self, cell: &vt100::Cell, at: (f32, f32)) {
        let (mut ink, mut ground) = (rgb(cell.fgcolor(), INK), rgb(cell.bgcolor(), GROUND));
        if cell.dim() {
            ink = between(ink, ground);
        }
        if cell.inverse() {
            (ink, ground) = (ground, ink);
        }
        if ground != GROUND {
            self.rectangle((at.0, at.1, CELL.0, CELL.1), ground);
        }
        if let Some(letter) = cell.contents().chars().next().filter(|letter| *letter != ' ')
            && !self.drawn(letter, at, ink)
        {
            self.letter(letter, at, ink, cell.bold());
        }
    }

    /// Draws what needs no font.
    fn drawn(&mut self, letter: char, (x, y): (f32, f32), ink: [u8; 3]) -> bool {
        let (width, height) = CELL;
        let (middle, centre) = (x + width / 2.0, y + height / 2.0);
        let thickness = if matches!(letter, '━' | '┃' | '┏' | '┓' | '┗' | '┛' | '╍') { 5.0 } else { 2.0 };
        let (half, right, bottom) = (thickness / 2.0, x + width, y + height);
        match letter {
            '─' | '━' => self.rectangle((x, centre - half, width, thickness), ink),
            '│' | '┃' => self.rectangle((middle - half, y, thickness, height), ink),
            '┈' | '╍' => {
                let pieces = if letter == '┈' { 4 } else { 2 };
                let long = width / pieces as f32;
                for piece in 0..pieces {
                    self.rectangle((x + (piece as f32 + 0.25) * long, centre - half, long * 0.55, thickness), ink);
                }
            }
            '┊' => {
                for piece in 0..4 {
                    let long = height / 4.0;
                    self.rectangle((middle - half, y + (piece as f32 + 0.25) * long, thickness, long * 0.5), ink);
                }
            }
            '╭' => self.corner((middle, bottom), (middle, centre), (right, centre), ink),
            '╮' => self.corner((middle, bottom), (middle, centre), (x, centre), ink),
            '╰' => self.corner((middle, y), (middle, centre), (right, centre), ink),
            '╯' => self.corner((middle, y), (middle, centre), (x, centre), ink),
            '┏' | '┓' | '┗' | '┛' => {
                let left = if matches!(letter, '┓' | '┛') { x } else { middle - half };
                let top = if matches!(letter, '┗' | '┛') { y } else { centre - half };
                self.rectangle((left, centre - half, width / 2.0 + half, thickness), ink);
                self.rectangle((middle - half, top, thickness, height / 2.0 + half), ink);
            }
            '▀' => self.rectangle((x, y, width, height / 2.0), ink),
            '▄' => self.rectangle((x, centre, width, height / 2.0), ink),
            '█' => self.rectangle((x, y, width, height), ink),
            '░' => self.rectangle((x, y, width, height), between(between(ink, GROUND), GROUND)),
            '\u{2800}'..='\u{28FF}' => self.braille(letter as u32 - 0x2800, (x, y), ink),
            _ => return false,
        }
        true
    }

    fn braille(&mut self, bits: u32, (x, y): (f32, f32), ink: [u8; 3]) {
        const PLACES: [(f32, f32); 8] =
            [(0.0, 0.0), (0.0, 1.0), (0.0, 2.0), (1.0, 0.0), (1.0, 1.0), (1.0, 2.0), (0.0, 3.0), (1.0, 3.0)];
        let step = (CELL.0 / 2.0, CELL.1 / 4.0);
        for (bit, (column, row)) in PLACES.into_iter().enumerate() {
            if bits >> bit & 1 == 1 {
                self.circle((x + (column + 0.5) * step.0, y + (row + 0.5) * step.1), 3.6, ink);
            }
        }
    }

    fn corner(&mut self, from: (f32, f32), by: (f32, f32), to: (f32, f32), ink: [u8; 3]) {
        let mut path = PathBuilder::new();
        path.move_to(from.0, from.1);
        // As round as the cell is wide.
        let radius = CELL.0 / 2.0;
        path.line_to(by.0, by.1 + radius * (from.1 - by.1).signum());
        path.quad_to(by.0, by.1, to.0, to.1);
        if let Some(path) = path.finish() {
            let stroke = Stroke { width: 2.0, ..Stroke::default() };
            self.0.stroke_path(&path, &paint(ink), &stroke, Transform::identity(), None);
        }
    }

    fn rectangle(&mut self, (x, y, width, height): (f32, f32, f32, f32), ink: [u8; 3]) {
        if let Some(rectangle) = Rect::from_xywh(x, y, width, height) {
            let mut paint = paint(ink);
            // Neighbours meet without a seam.
            paint.anti_alias = false;
            self.0.fill_rect(rectangle, &paint, Transform::identity(), None);
        }
    }

    fn circle(&mut self, (x, y): (f32, f32), radius: f32, ink: [u8; 3]) {
        if let Some(path) = PathBuilder::from_circle(x, y, radius) {
            self.fill(&path, ink, Transform::identity());
        }
    }

    fn fill(&mut self, path: &Path, ink: [u8; 3], transform: Transform) {
        self.0.fill_path(path, &paint(ink), FillRule::Winding, transform, None);
    }

    fn letter(&mut self, letter: char, (x, y): (f32, f32), ink: [u8; 3], bold: bool) {
        let face: &Face<'static> = if bold { &BOLD } else { &REGULAR };
        let glyph = face.glyph_index(letter).unwrap_or_else(|| panic!("the font has no {letter:?}"));
        let mut pen = Pen(PathBuilder::new());
        face.outline_glyph(glyph, &mut pen);
        let scale = LETTERS.0 / f32::from(face.units_per_em());
        let Some(path) = pen.0.finish() else { return };
        self.fill(&path, ink, Transform::from_row(scale, 0.0, 0.0, -scale, x, y + LETTERS.1));
    }
}

fn paint(ink: [u8; 3]) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color(colour(ink));
    paint
}

struct Pen(PathBuilder);

impl OutlineBuilder for Pen {
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
