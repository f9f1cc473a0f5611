//! Dots and lines of braille: two by four dots a cell.

use crate::look::Ink;

/// The bit of each dot of a cell, by row and column.
/// https://www.unicode.org/charts/PDF/U2800.pdf
const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
/// In dots: further out of the picture than any line that is seen.
const FAR: i64 = 1 << 14;

/// Dots over some cells. A cell has one ink: that of the last dot in it.
#[derive(Debug, Clone)]
pub struct Braille {
    columns: usize,
    rows: usize,
    cells: Vec<(u8, Ink)>,
}

impl Braille {
    /// Without dots.
    #[must_use]
    pub fn new(columns: usize, rows: usize) -> Self {
        Self { columns, rows, cells: vec![(0, Ink::Faint); columns * rows] }
    }

    /// Dots from left to right, and from top to bottom.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (2 * self.columns, 4 * self.rows)
    }

    /// Adds a dot, if there is such a place.
    pub fn dot(&mut self, x: i64, y: i64, ink: Ink) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
        if x / 2 < self.columns && y / 4 < self.rows {
            let cell = &mut self.cells[y / 4 * self.columns + x / 2];
            *cell = (cell.0 | BITS[y % 4][x % 2], ink);
        }
    }

    /// Adds a line from one dot to another. Of a broken one, every other pair of dots is left out.
    pub fn line(&mut self, from: (i64, i64), to: (i64, i64), ink: Ink, broken: bool) {
        // Numbers that are far out of the picture make no long line.
        let near = |(x, y): (i64, i64)| (x.clamp(-FAR, FAR), y.clamp(-FAR, FAR));
        let (from, to) = (near(from), near(to));
        let steps = (to.0 - from.0).abs().max((to.1 - from.1).abs()).max(1);
        for step in 0..=steps {
            let along = |from: i64, to: i64| from + ((to - from) as f64 * step as f64 / steps as f64).round() as i64;
            let (x, y) = (along(from.0, to.0), along(from.1, to.1));
            // By the place, so that lines of short pieces are broken too.
            if !broken || (if (to.0 - from.0).abs() >= (to.1 - from.1).abs() { x } else { y }).rem_euclid(4) < 2 {
                self.dot(x, y, ink);
            }
        }
    }

    /// The letter and the ink of a cell that has dots.
    #[must_use]
    pub fn cell(&self, column: usize, row: usize) -> Option<(char, Ink)> {
        let (bits, ink) = *self.cells.get(row * self.columns + column).filter(|_| column < self.columns)?;
        let letter = char::from_u32(0x2800 + u32::from(bits))?;
        (bits != 0).then_some((letter, ink))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(braille: &Braille, row: usize) -> String {
        (0..braille.columns).map(|column| braille.cell(column, row).map_or(' ', |(letter, _)| letter)).collect()
    }

    #[test]
    fn dots_are_where_unicode_has_them() {
        let mut braille = Braille::new(2, 1);
        braille.dot(0, 0, Ink::Test);
        braille.dot(3, 3, Ink::Test);
        for (x, y) in [(-1, 0), (4, 0), (0, 4), (i64::MAX, i64::MIN)] {
            braille.dot(x, y, Ink::Bad);
        }
        assert_eq!(row(&braille, 0), "⠁⢀");
        assert_eq!(braille.cell(0, 0), Some(('⠁', Ink::Test)));
        assert_eq!(braille.cell(2, 0), None);
    }

    #[test]
    fn lines_reach_both_ends() {
        let mut braille = Braille::new(3, 1);
        braille.line((0, 0), (5, 3), Ink::Test, false);
        assert_eq!(row(&braille, 0), "⠑⠢⢄");
        let mut broken = Braille::new(4, 1);
        broken.line((7, 0), (0, 0), Ink::Train, true);
        assert_eq!(row(&broken, 0), "⠉ ⠉ ");
    }
}
