//! How well each class is recognised.

use crate::axis::thousands;
use crate::heading::{self, MARGIN};
use crate::text::{fit, width};
use crate::{Anchor, Dash, Drawing, Shape, Stroke, Style, Text, Weight};

const WIDEST_NAME: f32 = 200.0;
/// The length of a bar for a class that was always right.
const BAR: f32 = 460.0;
/// Between bars and what is written beside them.
const NEAR: f32 = 10.0;
/// More classes than this are drawn closely.
const MANY: usize = 30;

/// In which order classes are drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// As they are given.
    #[default]
    Given,
    /// The least accurate first.
    WorstFirst,
    /// The most accurate first.
    BestFirst,
}

/// How often one class was recognised.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClassCount {
    /// Its name.
    pub name: String,
    /// Samples of it that were predicted to be of it.
    pub right: u64,
    /// All samples of it.
    pub all: u64,
}

/// The accuracy of each class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Classes {
    /// The first line.
    pub title: String,
    /// The line below it.
    pub subtitle: String,
    /// The classes.
    pub classes: Vec<ClassCount>,
    /// In which order they are drawn.
    pub order: Order,
    /// How it looks.
    pub style: Style,
}

impl ClassCount {
    /// From 0 to 1; nothing without samples.
    fn accuracy(&self) -> Option<f64> {
        (self.all > 0).then(|| (self.right as f64 / self.all as f64).min(1.0))
    }
}

impl Classes {
    /// Classes without samples come last, in any order but the given one.
    fn ordered(&self) -> Vec<&ClassCount> {
        let mut ordered: Vec<&ClassCount> = self.classes.iter().collect();
        let (worst, best) = (
            |class: &ClassCount| class.accuracy().unwrap_or(2.0),
            |class: &ClassCount| class.accuracy().unwrap_or(-1.0),
        );
        match self.order {
            Order::Given => {}
            Order::WorstFirst => ordered.sort_by(|one, other| worst(one).total_cmp(&worst(other))),
            Order::BestFirst => ordered.sort_by(|one, other| best(other).total_cmp(&best(one))),
        }
        ordered
    }

    /// Of all samples.
    fn accuracy(&self) -> Option<f64> {
        let sum = |of: fn(&ClassCount) -> u64| self.classes.iter().map(|class| of(class) as f64).sum::<f64>();
        let (right, all) = (sum(|class| class.right.min(class.all)), sum(|class| class.all));
        (all > 0.0).then(|| right / all)
    }
}

/// Draws a bar for each class: how many of its samples were recognised. A line shows the accuracy over all samples.
#[must_use]
pub fn classes(classes: &Classes) -> Drawing {
    let palette = classes.style.palette();
    let (row, font) = if classes.classes.len() > MANY { (17.0, 11.0) } else { (28.0, 13.0) };
    let ordered = classes.ordered();
    let fitted = |class: &ClassCount| fit(&class.name, font, Weight::Regular, WIDEST_NAME);
    let widest = ordered.iter().map(|class| width(&fitted(class), font, Weight::Regular)).fold(0.0, f32::max);
    let counts = ordered.iter().map(|class| width(&counted(class), font - 1.5, Weight::Regular)).fold(0.0, f32::max);
    let left = MARGIN + widest + NEAR;
    let percent = left + BAR + NEAR;
    let count = percent + width("100.0 %", font, Weight::SemiBold) + NEAR + counts;
    let top = heading::height(&classes.title, &classes.subtitle) + 26.0;
    let bottom = top + row * ordered.len() as f32;
    let overall = classes.accuracy();
    let said = overall.map_or("Nothing was counted".to_owned(), |share| format!("Over all: {:.2} %", 100.0 * share));
    let mut drawing = Drawing::new((count + MARGIN, bottom + 34.0 + MARGIN / 2.0), &classes.title)
        .described(&format!("Accuracy of {} classes. {said}.", ordered.len()))
        .on(classes.style.background());
    heading::draw(&mut drawing, &classes.title, &classes.subtitle, classes.style);
    for tick in [0.0, 25.0, 50.0, 75.0, 100.0] {
        let x = left + BAR * tick / 100.0;
        drawing.line((x, top), (x, bottom + 4.0), Stroke::solid(palette.faint, 1.0));
        let label = Text::new((x, bottom + 20.0), format!("{tick} %"), 11.0, palette.muted);
        drawing.text(label.anchored(Anchor::Middle));
    }
    for (index, class) in ordered.iter().enumerate() {
        let middle = top + row * (index as f32 + 0.5);
        let name = Text::new((left - NEAR, middle), fitted(class), font, palette.ink);
        drawing.text(name.anchored(Anchor::End).centred());
        let share = class.accuracy();
        let (thick, length) = (row * 0.62, BAR * share.unwrap_or(0.0) as f32);
        let at = (left, middle - thick / 2.0);
        drawing.push(Shape::Rectangle { at, size: (length, thick), radius: 2.0, fill: palette.series[0] });
        let text = share.map_or("–".to_owned(), |share| format!("{:.1} %", 100.0 * share));
        drawing.text(Text::new((percent, middle), text, font, palette.ink).semi_bold().centred());
        let count = Text::new((count, middle), counted(class), font - 1.5, palette.muted);
        drawing.text(count.anchored(Anchor::End).centred());
    }
    if let Some(share) = overall {
        let x = left + BAR * share as f32;
        let stroke = Stroke { colour: palette.ink, width: 1.2, dash: Dash::Dashed };
        drawing.line((x, top - 4.0), (x, bottom), stroke);
        let label = Text::new((x, top - 10.0), format!("all {:.2} %", 100.0 * share), 11.5, palette.ink);
        drawing.text(label.semi_bold().anchored(Anchor::Middle));
    }
    drawing
}

/// Right and all, as they are written.
fn counted(class: &ClassCount) -> String {
    format!("{} of {}", thousands(class.right as f64, 0), thousands(class.all as f64, 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks;
    use proptest::prelude::*;

    fn of(counts: &[(&str, u64, u64)], order: Order) -> Classes {
        let class = |&(name, right, all): &(&str, u64, u64)| ClassCount { name: name.to_owned(), right, all };
        Classes { classes: counts.iter().map(class).collect(), order, ..Classes::default() }
    }

    #[test]
    fn orders() {
        let counts = [("cat", 5, 10), ("none", 0, 0), ("ship", 9, 10), ("dog", 1, 10)];
        let names = |order| of(&counts, order).ordered().iter().map(|class| class.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(Order::Given), ["cat", "none", "ship", "dog"]);
        assert_eq!(names(Order::WorstFirst), ["dog", "cat", "ship", "none"]);
        assert_eq!(names(Order::BestFirst), ["ship", "cat", "dog", "none"]);
    }

    #[test]
    fn what_is_written() {
        let written = checks::texts(&classes(&of(&[("cat", 812, 1_000), ("none", 0, 0)], Order::Given)));
        for text in ["81.2 %", "812 of 1,000", "–", "all 81.20 %"] {
            assert!(written.iter().any(|line| line == text), "{text} in {written:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_overlaps(counts in prop::collection::vec((".{0,40}", any::<u64>(), any::<u64>()), 0..40)) {
            let counts: Vec<_> = counts.iter().map(|(name, right, all)| (name.as_str(), *right, *all)).collect();
            checks::well_laid_out(&classes(&of(&counts, Order::BestFirst)));
        }
    }
}
