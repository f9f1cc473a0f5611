//! Title and subtitle, alike on all pictures.

use crate::text::fit;
use crate::{Drawing, Style, Text, Weight};

/// Between the edge of a picture and what is on it.
pub(crate) const MARGIN: f32 = 28.0;
const TITLE: f32 = 20.0;
const SUBTITLE: f32 = 13.0;

/// How high a heading is, from the upper edge of the picture.
pub(crate) fn height(title: &str, subtitle: &str) -> f32 {
    let lines = if title.is_empty() { 0.0 } else { 26.0 } + if subtitle.is_empty() { 0.0 } else { 22.0 };
    if lines == 0.0 { MARGIN } else { MARGIN + lines + 6.0 }
}

/// Writes a heading at the upper left.
pub(crate) fn draw(drawing: &mut Drawing, title: &str, subtitle: &str, style: Style) {
    let palette = style.palette();
    let room = drawing.width() as f32 - 2.0 * MARGIN;
    let mut base = MARGIN - 4.0;
    if !title.is_empty() {
        base += 22.0;
        let title = fit(title, TITLE, Weight::SemiBold, room);
        drawing.text(Text::new((MARGIN, base), title, TITLE, palette.ink).semi_bold());
    }
    if !subtitle.is_empty() {
        base += 22.0;
        let subtitle = fit(subtitle, SUBTITLE, Weight::Regular, room);
        drawing.text(Text::new((MARGIN, base), subtitle, SUBTITLE, palette.muted));
    }
}
