//! Which classes a model takes for which.

mod layout;
mod parts;

use crate::axis::thousands;
use crate::heading::{self, MARGIN};
use crate::{Colour, Drawing, PlotError, Style, Text};
use layout::Layout;
use std::fmt::Write as _;

/// Up to so many classes have their counts written in the cells.
const FEW: usize = 25;
/// More classes are refused.
pub const MOST_CLASSES: usize = 2_000;

/// Counts of predictions by true and by predicted class.
#[derive(Debug, Clone, PartialEq)]
pub struct Confusion {
    /// The first line.
    pub title: String,
    /// The line below it.
    pub subtitle: String,
    /// How it looks.
    pub style: Style,
    classes: Vec<String>,
    counts: Vec<u64>,
    /// The sum of each row.
    sums: Vec<f64>,
}

impl Confusion {
    /// Of these classes. Counts are given row by row: a row is a true class, a column a predicted one.
    ///
    /// # Errors
    /// - [`PlotError::Counts`] unless there is a count for every pair of classes.
    /// - [`PlotError::TooManyClasses`] beyond [`MOST_CLASSES`].
    pub fn new(classes: Vec<String>, counts: Vec<u64>) -> Result<Self, PlotError> {
        let count = classes.len();
        if count > MOST_CLASSES {
            return Err(PlotError::TooManyClasses { classes: count, most: MOST_CLASSES });
        }
        if counts.len() != count * count {
            return Err(PlotError::Counts { classes: count, expected: count * count, counts: counts.len() });
        }
        let sums = counts.chunks(count.max(1)).map(|row| row.iter().map(|count| *count as f64).sum()).collect();
        Ok(Self { title: String::new(), subtitle: String::new(), style: Style::default(), classes, counts, sums })
    }

    fn count(&self, truth: usize, predicted: usize) -> u64 {
        self.counts[truth * self.classes.len() + predicted]
    }

    /// The share of a true class that was predicted to be another, or itself. Zero for a class without samples.
    fn share(&self, truth: usize, predicted: usize) -> f64 {
        let all = self.sums[truth];
        if all == 0.0 { 0.0 } else { self.count(truth, predicted) as f64 / all }
    }

    /// Right predictions and all predictions.
    fn totals(&self) -> (f64, f64) {
        let right = (0..self.classes.len()).map(|class| self.count(class, class) as f64).sum();
        (right, self.sums.iter().sum())
    }

    /// The colour of a cell. Depth goes with the square root, so that shares of a few percent can be seen. An empty cell is a
    /// shade off the background, so that the matrix can be seen.
    fn shade(&self, share: f64, right: bool) -> Colour {
        let palette = self.style.palette();
        let empty = palette.background.towards(palette.faint, 0.4);
        empty.towards(if right { palette.hit } else { palette.miss }, share.sqrt() as f32)
    }

    fn cell_shade(&self, truth: usize, predicted: usize) -> Colour {
        self.shade(self.share(truth, predicted), truth == predicted)
    }

    fn description(&self) -> String {
        let (right, all) = self.totals();
        let count = self.classes.len();
        let mut text =
            format!("Confusion matrix of {count} classes. Rows are true classes, columns are predicted ones.");
        if all > 0.0 {
            let _ = write!(
                text,
                " {} of {} are right: {:.2} %.",
                thousands(right, 0),
                thousands(all, 0),
                100.0 * right / all
            );
        }
        let pairs = (0..count * count).map(|pair| (pair / count, pair % count)).filter(|(row, column)| row != column);
        let worst = pairs.max_by_key(|(row, column)| (self.count(*row, *column), std::cmp::Reverse((*row, *column))));
        if let Some((row, column)) = worst.filter(|(row, column)| self.count(*row, *column) > 0) {
            let (truth, predicted) = (&self.classes[row], &self.classes[column]);
            let _ = write!(text, " Most often {truth} is taken for {predicted}: {} times.", self.count(row, column));
        }
        text
    }
}

/// Draws a confusion matrix. A cell's depth is its share of the true class: blue for right predictions, orange for wrong ones.
/// The accuracy of each class, its recall, is at the right. With many classes no counts are written, and with very many not every
/// name is.
#[must_use]
pub fn confusion(confusion: &Confusion) -> Drawing {
    let layout = Layout::of(confusion);
    let mut drawing = Drawing::new(layout.size, &confusion.title)
        .described(&confusion.description())
        .on(confusion.style.background());
    heading::draw(&mut drawing, &confusion.title, &confusion.subtitle, confusion.style);
    if confusion.classes.is_empty() {
        let text =
            Text::new((MARGIN, layout.top + 10.0), "There are no classes", 14.0, confusion.style.palette().muted);
        drawing.text(text);
        return drawing;
    }
    if confusion.classes.len() <= FEW {
        parts::cells(&mut drawing, confusion, &layout);
    } else {
        parts::heat(&mut drawing, confusion, &layout);
    }
    parts::names(&mut drawing, confusion, &layout);
    parts::recalls(&mut drawing, confusion, &layout);
    parts::key(&mut drawing, confusion, &layout);
    drawing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks;

    fn matrix(count: usize, each: impl Fn(usize, usize) -> u64) -> Confusion {
        let classes = (0..count).map(|class| format!("class {class}")).collect();
        let counts = (0..count * count).map(|pair| each(pair / count, pair % count)).collect();
        Confusion { title: "Confusion".to_owned(), ..Confusion::new(classes, counts).unwrap() }
    }

    #[test]
    fn counts_have_to_be_a_square() {
        let error = Confusion::new(vec!["a".to_owned(), "b".to_owned()], vec![1; 3]).unwrap_err().to_string();
        assert_eq!(error, "a confusion matrix of 2 classes has 4 counts, and 3 were given");
        assert!(matches!(Confusion::new(vec![String::new(); 2_001], vec![]), Err(PlotError::TooManyClasses { .. })));
    }

    #[test]
    fn rows_are_true_classes() {
        let of = matrix(2, |truth, predicted| [[9, 1], [3, 1]][truth][predicted]);
        assert_eq!([of.share(0, 0), of.share(0, 1), of.share(1, 0), of.share(1, 1)], [0.9, 0.1, 0.75, 0.25]);
        let drawing = confusion(&of);
        let written = checks::texts(&drawing);
        for text in ["90.0 %", "25.0 %", "10 of 14 right: 71.43 %"] {
            assert!(written.iter().any(|line| line == text), "{text} in {written:?}");
        }
        assert!(drawing.description().ends_with("Most often class 1 is taken for class 0: 3 times."));
    }

    #[test]
    fn many_classes_have_no_numbers_in_cells() {
        let few = confusion(&matrix(10, |_, _| 4_321));
        assert_eq!(checks::texts(&few).iter().filter(|text| *text == "4,321").count(), 100);
        let many = confusion(&matrix(100, |_, _| 4_321));
        assert!(!checks::texts(&many).contains(&"4,321".to_owned()));
        assert!(checks::texts(&many).contains(&"class 99".to_owned()));
    }

    #[test]
    fn nothing_overlaps_for_any_number_of_classes() {
        for count in [0, 1, 2, 10, 12, 13, 25, 26, 60, 100, 300, 1_000] {
            for most in [0, 7, 1_000, u64::MAX] {
                checks::well_laid_out(&confusion(&matrix(
                    count,
                    |truth, predicted| if truth == predicted { most } else { 1 },
                )));
            }
        }
    }
}
