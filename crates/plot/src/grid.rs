//! Images with what a model says of them.

use crate::heading::{self, MARGIN};
use crate::text::{fit, width};
use crate::{Colour, Drawing, Picture, Shape, Stroke, Style, Text, Weight};

/// The size of what is written above an image.
const LABEL: f32 = 12.0;
/// Images are enlarged by a whole number, to about so many pixels. Larger ones are made as small as [`LARGEST`].
const USUAL: u32 = 96;
const LARGEST: u32 = 144;
/// Between cells.
const GAP: f32 = 14.0;
/// Between what is written and the image, and between a sign and a label.
const NEAR: f32 = 6.0;
/// The side of a tick or a cross.
const SIGN: f32 = 9.0;

/// One image and what is said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct GridCell {
    /// The image.
    pub picture: Picture,
    /// The name of the predicted class.
    pub predicted: String,
    /// The name of the class that it is, if that is known.
    pub truth: Option<String>,
}

/// Images in rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Grid {
    /// The first line: the name of the model.
    pub title: String,
    /// The line below it: which checkpoint.
    pub subtitle: String,
    /// Images in a row, at least one.
    pub columns: usize,
    /// From left to right, and row by row.
    pub cells: Vec<GridCell>,
    /// How it looks.
    pub style: Style,
}

/// What a cell says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Right,
    Wrong,
    Unknown,
}

impl GridCell {
    fn verdict(&self) -> Verdict {
        match &self.truth {
            None => Verdict::Unknown,
            Some(truth) if *truth == self.predicted => Verdict::Right,
            Some(_) => Verdict::Wrong,
        }
    }

    /// What is written above it.
    fn label(&self) -> String {
        match (self.verdict(), &self.truth) {
            (Verdict::Wrong, Some(truth)) => format!("{} ({truth})", self.predicted),
            _ => self.predicted.clone(),
        }
    }

    /// How wide the sign before the label is, with the gap behind it.
    fn sign(&self) -> f32 {
        if self.verdict() == Verdict::Unknown { 0.0 } else { SIGN + NEAR }
    }

    /// How large its image is drawn.
    fn side(&self) -> f32 {
        let side = self.picture.side();
        let enlarged = side.saturating_mul((USUAL / side).max(1));
        enlarged.min(LARGEST) as f32
    }

    fn colour(&self, style: Style) -> Colour {
        let palette = style.palette();
        match self.verdict() {
            Verdict::Right => palette.right,
            Verdict::Wrong => palette.wrong,
            Verdict::Unknown => palette.ink,
        }
    }
}

impl Grid {
    fn count(&self, verdict: Verdict) -> usize {
        self.cells.iter().filter(|cell| cell.verdict() == verdict).count()
    }

    /// How many are right, in words; nothing if it is known of none.
    fn accuracy(&self) -> Option<String> {
        let (right, wrong) = (self.count(Verdict::Right), self.count(Verdict::Wrong));
        let known = right + wrong;
        (known > 0).then(|| format!("{right} of {known} right: {:.1} %", 100.0 * right as f64 / known as f64))
    }

    /// Width of a cell and side of the largest image.
    fn cell(&self) -> (f32, f32) {
        let side = self.cells.iter().map(GridCell::side).fold(0.0, f32::max);
        let label = |cell: &GridCell| cell.sign() + width(&cell.label(), LABEL, Weight::SemiBold);
        let widest = self.cells.iter().map(label).fold(0.0, f32::max).ceil();
        (widest.min(1.5 * side).max(side), side)
    }
}

/// Draws images, each with the predicted class above it: green and with a tick if it is right. If it is wrong, it is red, with a
/// cross, a frame, and the true class in parentheses.
#[must_use]
pub fn grid(grid: &Grid) -> Drawing {
    let palette = grid.style.palette();
    let columns = grid.columns.clamp(1, grid.cells.len().max(1));
    let rows = grid.cells.len().div_ceil(columns);
    let (cell, side) = grid.cell();
    let accuracy = grid.accuracy();
    let step = (cell + GAP, LABEL + NEAR + side + GAP);
    let head = heading::height(&grid.title, &grid.subtitle);
    let top = head + if accuracy.is_some() { 30.0 } else { 4.0 };
    let size = (
        (2.0 * MARGIN + columns as f32 * step.0 - GAP).max(360.0),
        (top + rows as f32 * step.1 - GAP + MARGIN).max(top + MARGIN),
    );
    let said = accuracy.clone().unwrap_or_else(|| "Nothing is known about what is right".to_owned());
    let mut drawing = Drawing::new(size, &grid.title)
        .described(&format!("{} images with predicted classes. {said}.", grid.cells.len()))
        .on(grid.style.background());
    heading::draw(&mut drawing, &grid.title, &grid.subtitle, grid.style);
    if let Some(accuracy) = accuracy {
        let room = size.0 - 2.0 * MARGIN;
        let accuracy = fit(&accuracy, 14.0, Weight::SemiBold, room);
        drawing.text(Text::new((MARGIN, head + 10.0), accuracy, 14.0, palette.ink).semi_bold());
    }
    let left = (size.0 - (columns as f32 * step.0 - GAP)) / 2.0;
    for (index, of) in grid.cells.iter().enumerate() {
        let (column, row) = (index % columns, index / columns);
        // Whole pixels keep images crisp.
        let x = (left + column as f32 * step.0).round();
        let y = (top + row as f32 * step.1).round();
        draw_cell(&mut drawing, of, (x, y), (cell, side), grid.style);
    }
    drawing
}

fn draw_cell(drawing: &mut Drawing, cell: &GridCell, (x, y): (f32, f32), (wide, side): (f32, f32), style: Style) {
    let colour = cell.colour(style);
    let label = fit(&cell.label(), LABEL, Weight::SemiBold, wide - cell.sign());
    let middle = x + wide / 2.0;
    let written = cell.sign() + width(&label, LABEL, Weight::SemiBold);
    let left = middle - written / 2.0;
    let base = y + LABEL - 2.0;
    drawing.text(Text::new((left + cell.sign(), base), label, LABEL, colour).semi_bold());
    draw_sign(drawing, cell.verdict(), (left, base - SIGN), colour);
    let own = cell.side();
    let at = ((middle - own / 2.0).round(), y + LABEL + NEAR + ((side - own) / 2.0).round());
    drawing.push(Shape::Image { at, side: own, picture: cell.picture.clone() });
    if cell.verdict() == Verdict::Wrong {
        let frame = ((at.0 - 1.0, at.1 - 1.0), (own + 2.0, own + 2.0));
        drawing.push(Shape::Frame { at: frame.0, size: frame.1, stroke: Stroke::solid(colour, 2.0) });
    }
}

/// A tick or a cross, which say the same as the colour. They are lines, since not every font has such letters.
fn draw_sign(drawing: &mut Drawing, verdict: Verdict, (x, y): (f32, f32), colour: Colour) {
    let stroke = Stroke::solid(colour, 2.0);
    let at = |right: f32, down: f32| (x + right * SIGN, y + down * SIGN);
    match verdict {
        Verdict::Unknown => {}
        Verdict::Right => {
            let points = vec![at(0.0, 0.55), at(0.35, 0.9), at(1.0, 0.1)];
            drawing.push(Shape::Polyline { points, stroke });
        }
        Verdict::Wrong => {
            drawing.line(at(0.1, 0.1), at(0.9, 0.9), stroke);
            drawing.line(at(0.1, 0.9), at(0.9, 0.1), stroke);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks;

    fn cell(predicted: &str, truth: Option<&str>) -> GridCell {
        let picture = Picture::new(2, [9; 12]).unwrap();
        GridCell { picture, predicted: predicted.to_owned(), truth: truth.map(str::to_owned) }
    }

    #[test]
    fn labels_say_what_is_wrong() {
        assert_eq!(cell("cat", Some("cat")).label(), "cat");
        assert_eq!(cell("dog", Some("cat")).label(), "dog (cat)");
        assert_eq!(cell("dog", None).label(), "dog");
    }

    #[test]
    fn its_accuracy_counts_what_is_known() {
        let cells = vec![cell("a", Some("a")), cell("a", Some("b")), cell("a", None), cell("b", Some("b"))];
        let of = Grid { columns: 2, cells, ..Grid::default() };
        assert_eq!(of.accuracy().unwrap(), "2 of 3 right: 66.7 %");
        let written = checks::texts(&grid(&of));
        assert!(written.contains(&"2 of 3 right: 66.7 %".to_owned()), "{written:?}");
    }

    #[test]
    fn images_are_enlarged_by_whole_numbers() {
        for (side, drawn) in [(1, 96.0), (28, 84.0), (32, 96.0), (64, 64.0), (96, 96.0), (100, 100.0), (500, 144.0)] {
            let picture = Picture::new(side, vec![0; 3 * (side * side) as usize]).unwrap();
            assert_eq!(GridCell { picture, predicted: String::new(), truth: None }.side(), drawn);
        }
    }

    #[test]
    fn nothing_overlaps_in_any_grid() {
        for (columns, count) in [(0, 0), (1, 1), (8, 64), (8, 60), (3, 2), (50, 200)] {
            for name in ["cat", "an automobile whose name is long <&>", ""] {
                let cells = (0..count).map(|index| cell(name, Some(["cat", "dog"][index % 2]))).collect();
                let of = Grid { title: name.repeat(9), columns, cells, ..Grid::default() };
                checks::well_laid_out(&grid(&of));
            }
        }
    }
}
