//! Where the parts of a confusion matrix are.

use super::{Confusion, FEW};
use crate::Weight;
use crate::axis::thousands;
use crate::heading::{self, MARGIN};
use crate::text::{fit, width};

pub(super) const WIDEST_NAME: f32 = 150.0;
/// Rows of names have at least this height.
const LINE: f32 = 10.0;
/// The width of a bar for a class that was always right.
pub(super) const BAR: f32 = 70.0;
/// Between the matrix and what is written beside it.
pub(super) const NEAR: f32 = 8.0;

/// Where everything is.
pub(super) struct Layout {
    pub(super) left: f32,
    pub(super) top: f32,
    pub(super) cell: f32,
    /// The size of names.
    pub(super) font: f32,
    /// Every how many classes there is room for a name.
    pub(super) every: usize,
    /// Whether names of columns are read upwards.
    pub(super) upwards: bool,
    pub(super) size: (f32, f32),
}

impl Layout {
    pub(super) fn of(confusion: &Confusion) -> Self {
        let count = confusion.classes.len();
        let widest_count = confusion.counts.iter().max().map_or(0.0, |most| counted_width(*most));
        let cell = match count {
            0..=12 => (widest_count + 14.0).clamp(50.0, 84.0).floor(),
            13..=FEW => (widest_count + 10.0).clamp(36.0, 64.0).floor(),
            _ => (1_000.0 / count as f32).floor().clamp(1.0, 20.0),
        };
        let font = (cell * 0.85).clamp(LINE * 0.85, 12.5);
        let names = confusion
            .classes
            .iter()
            .map(|name| width(&fit(name, font, Weight::Regular, WIDEST_NAME), font, Weight::Regular));
        let widest_name = names.fold(0.0, f32::max);
        let upwards = widest_name > cell - 8.0;
        let every = (LINE / cell).ceil().max(1.0) as usize;
        let names_height = if upwards { widest_name } else { font };
        // Below the title: the name of the axis, the names of columns.
        let top = heading::height(&confusion.title, &confusion.subtitle) + 22.0 + names_height + NEAR;
        let left = MARGIN + 24.0 + widest_name + NEAR;
        let side = cell * count as f32;
        let right = left + side + 2.0 * NEAR + BAR + NEAR + width("100.0 %", font, Weight::Regular);
        let size = ((right + MARGIN).max(420.0), top + side + 66.0 + MARGIN);
        Self { left, top, cell, font, every, upwards, size }
    }

    pub(super) fn side(&self, confusion: &Confusion) -> f32 {
        self.cell * confusion.classes.len() as f32
    }

    /// The middle of a row or column, from where the matrix begins.
    pub(super) fn middle(&self, class: usize) -> f32 {
        (class as f32 + 0.5) * self.cell
    }
}

pub(super) const COUNT_SIZE: f32 = 12.5;

pub(super) fn counted_width(count: u64) -> f32 {
    width(&thousands(count as f64, 0), COUNT_SIZE, Weight::SemiBold)
}
