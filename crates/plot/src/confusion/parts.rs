//! The parts of a confusion matrix.

use super::Confusion;
use super::layout::{BAR, COUNT_SIZE, Layout, NEAR, WIDEST_NAME, counted_width};
use crate::axis::thousands;
use crate::heading::{self, MARGIN};
use crate::text::fit;
use crate::{Anchor, Drawing, Picture, Shape, Text, Weight};

/// Cells with their counts.
pub(super) fn cells(drawing: &mut Drawing, confusion: &Confusion, layout: &Layout) {
    let palette = confusion.style.palette();
    let count = confusion.classes.len();
    for (truth, predicted) in (0..count).flat_map(|truth| (0..count).map(move |predicted| (truth, predicted))) {
        let at = (layout.left + layout.cell * predicted as f32, layout.top + layout.cell * truth as f32);
        let shade = confusion.cell_shade(truth, predicted);
        let size = layout.cell - 1.5;
        drawing.push(Shape::Rectangle { at, size: (size, size), radius: 3.0, fill: shade });
        let number = confusion.count(truth, predicted);
        let text = thousands(number as f64, 0);
        let wide = counted_width(number).max(1.0);
        let font = COUNT_SIZE.min(COUNT_SIZE * (layout.cell - 6.0) / wide);
        let inks = [palette.ink, palette.background];
        let best = if shade.contrast(inks[0]) >= shade.contrast(inks[1]) { inks[0] } else { inks[1] };
        let colour = if number == 0 { palette.muted.faded(0.7) } else { best };
        let middle = (at.0 + size / 2.0, at.1 + size / 2.0);
        let text = Text::new(middle, text, font, colour).anchored(Anchor::Middle).centred();
        // Numbers that would have to be tiny are left out.
        if font >= 6.0 {
            drawing.text(if truth == predicted { text.semi_bold() } else { text });
        }
    }
}

/// Cells as one image.
pub(super) fn heat(drawing: &mut Drawing, confusion: &Confusion, layout: &Layout) {
    let count = confusion.classes.len();
    let pairs = (0..count).flat_map(|truth| (0..count).map(move |predicted| (truth, predicted)));
    let rgb: Vec<u8> = pairs.flat_map(|(truth, predicted)| confusion.cell_shade(truth, predicted).rgb).collect();
    if let Ok(picture) = Picture::new(count as u32, rgb) {
        drawing.push(Shape::Image { at: (layout.left, layout.top), side: layout.side(confusion), picture });
    }
}

/// The names of classes on both axes, and what the axes are.
pub(super) fn names(drawing: &mut Drawing, confusion: &Confusion, layout: &Layout) {
    let palette = confusion.style.palette();
    for (class, name) in confusion.classes.iter().enumerate().step_by(layout.every) {
        let name = fit(name, layout.font, Weight::Regular, WIDEST_NAME);
        let row = (layout.left - NEAR, layout.top + layout.middle(class));
        drawing.text(Text::new(row, name.clone(), layout.font, palette.ink).anchored(Anchor::End).centred());
        let column = (layout.left + layout.middle(class), layout.top - NEAR);
        let text = Text::new(column, name, layout.font, palette.ink);
        drawing.text(if layout.upwards { text.upwards().centred() } else { text.anchored(Anchor::Middle) });
    }
    let half = layout.side(confusion) / 2.0;
    let above = heading::height(&confusion.title, &confusion.subtitle) + 8.0;
    let axes = [
        Text::new((layout.left + half, above), "predicted class", 12.0, palette.muted),
        Text::new((MARGIN + 6.0, layout.top + half), "true class", 12.0, palette.muted).upwards().centred(),
    ];
    for axis in axes {
        drawing.text(axis.anchored(Anchor::Middle));
    }
}

/// The share of each true class that was right, as bars.
pub(super) fn recalls(drawing: &mut Drawing, confusion: &Confusion, layout: &Layout) {
    let palette = confusion.style.palette();
    let left = layout.left + layout.side(confusion) + 2.0 * NEAR;
    let above = Text::new((left, layout.top - NEAR), "accuracy", 12.0, palette.muted);
    drawing.text(above);
    let height = (layout.cell - 1.0).clamp(1.0, 14.0);
    for class in 0..confusion.classes.len() {
        let share = confusion.share(class, class);
        let middle = layout.top + layout.middle(class);
        let top = middle - height / 2.0;
        drawing.rectangle((left, top), (BAR, height), palette.background.towards(palette.faint, 0.7));
        drawing.rectangle((left, top), (BAR * share as f32, height), palette.hit);
        if class % layout.every == 0 {
            let text = format!("{:.1} %", 100.0 * share);
            let at = (left + BAR + NEAR, middle);
            drawing.text(Text::new(at, text, layout.font, palette.ink).centred());
        }
    }
}

/// What the depths of the two colours mean.
pub(super) fn key(drawing: &mut Drawing, confusion: &Confusion, layout: &Layout) {
    const LENGTH: f32 = 120.0;
    const PARTS: usize = 24;
    let palette = confusion.style.palette();
    let top = layout.top + layout.side(confusion) + 26.0;
    let left = MARGIN + 60.0;
    for (row, (name, right)) in [("right", true), ("wrong", false)].into_iter().enumerate() {
        let y = top + 14.0 * row as f32;
        drawing.text(Text::new((left - 8.0, y + 5.0), name, 11.0, palette.muted).anchored(Anchor::End).centred());
        for part in 0..PARTS {
            let depth = (part as f64 + 0.5) / PARTS as f64;
            let size = (LENGTH / PARTS as f32, 10.0);
            drawing.rectangle((left + size.0 * part as f32, y), size, confusion.shade(depth * depth, right));
        }
    }
    for (share, label) in [(0.0, "0"), (0.1, "10"), (0.5, "50"), (1.0, "100")] {
        let x = left + LENGTH * f32::sqrt(share);
        drawing.text(Text::new((x, top + 38.0), label, 10.0, palette.muted).anchored(Anchor::Middle));
    }
    let meaning = Text::new((left + LENGTH + 24.0, top + 38.0), "% of the true class", 10.0, palette.muted);
    drawing.text(meaning);
    let (right, all) = confusion.totals();
    if all > 0.0 {
        let text = format!("{} of {} right: {:.2} %", thousands(right, 0), thousands(all, 0), 100.0 * right / all);
        let at = (left + LENGTH + 24.0, top + 12.0);
        let text = fit(&text, 13.0, Weight::SemiBold, layout.size.0 - at.0 - MARGIN);
        drawing.text(Text::new(at, text, 13.0, palette.ink).semi_bold());
    }
}
