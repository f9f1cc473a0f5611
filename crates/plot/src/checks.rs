//! What tests ask of every drawing.

use crate::{Drawing, Shape, Text};

fn all_text(drawing: &Drawing) -> impl Iterator<Item = &Text> {
    drawing.shapes().iter().filter_map(|shape| if let Shape::Text(text) = shape { Some(text) } else { None })
}

/// All that is written.
pub(crate) fn texts(drawing: &Drawing) -> Vec<String> {
    all_text(drawing).map(|text| text.text.clone()).collect()
}

/// Fails if text overlaps other text, or leaves the picture.
pub(crate) fn well_laid_out(drawing: &Drawing) {
    let (width, height) = (drawing.width() as f32, drawing.height() as f32);
    let all: Vec<(&Text, [f32; 4])> = all_text(drawing).map(|text| (text, text.covers())).collect();
    for (index, (text, [left, top, right, bottom])) in all.iter().enumerate() {
        assert!(
            *left >= 0.0 && *top >= 0.0 && *right <= width && *bottom <= height,
            "{text:?} leaves {width} x {height}"
        );
        for (other, [l, t, r, b]) in &all[..index] {
            let apart = left >= r || right <= l || top >= b || bottom <= t;
            assert!(apart, "{text:?} overlaps {other:?}");
        }
    }
}
