//! Colours.

/// A colour in sRGB, with its opacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour {
    /// Red, green and blue.
    pub rgb: [u8; 3],
    /// From 0, invisible, to 255, opaque.
    pub alpha: u8,
}

impl Colour {
    /// An opaque colour, written as in `0x0072B2`.
    #[must_use]
    pub const fn hex(rgb: u32) -> Self {
        let [_, red, green, blue] = rgb.to_be_bytes();
        Self { rgb: [red, green, blue], alpha: 255 }
    }

    /// The same colour, as opaque as `opacity` says, from 0 to 1.
    #[must_use]
    pub fn faded(self, opacity: f32) -> Self {
        Self { alpha: (255.0 * opacity.clamp(0.0, 1.0)).round() as u8, ..self }
    }

    /// A colour on the way from this one to another: 0 is this one, 1 is `other`. The result is opaque.
    #[must_use]
    pub fn towards(self, other: Self, share: f32) -> Self {
        let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
        let mix = |from: u8, to: u8| (f32::from(from) + (f32::from(to) - f32::from(from)) * share).round() as u8;
        let rgb = [0, 1, 2].map(|channel| mix(self.rgb[channel], other.rgb[channel]));
        Self { rgb, alpha: 255 }
    }

    /// The relative luminance that WCAG 2 defines: 0 is black, 1 is white.
    #[must_use]
    pub fn luminance(self) -> f32 {
        let linear = self.rgb.map(|channel| {
            let value = f32::from(channel) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    }

    /// The contrast that WCAG 2 defines: from 1 to 21.
    #[must_use]
    pub fn contrast(self, other: Self) -> f32 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }
}

/// On what a picture is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Theme {
    /// Dark ink on white.
    #[default]
    Light,
    /// Light ink on near black.
    Dark,
}

/// How a picture looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// Its colours.
    pub theme: Theme,
    /// Whether the background is left out, for a page that has its own.
    pub transparent: bool,
}

/// The colours of a theme.
///
/// Lines have the colours of M. Okabe and K. Ito, "Color Universal Design" (2008), which people with any of the common colour
/// blindnesses tell apart. The order is that of the contrast with the background: the first three have at least 3:1.
#[derive(Debug, Clone, Copy)]
pub struct Palette {
    /// Behind everything.
    pub background: Colour,
    /// Titles and values.
    pub ink: Colour,
    /// Labels that matter less.
    pub muted: Colour,
    /// Lines of the grid.
    pub faint: Colour,
    /// Lines of runs, in their order.
    pub series: [Colour; 6],
    /// A right prediction: green, dark or light enough for text.
    pub right: Colour,
    /// A wrong prediction: red, dark or light enough for text.
    pub wrong: Colour,
    /// The deepest shade of a share of right predictions.
    pub hit: Colour,
    /// The deepest shade of a share of wrong predictions.
    pub miss: Colour,
}

const ORANGE: Colour = Colour::hex(0x00E6_9F00);
const SKY_BLUE: Colour = Colour::hex(0x0056_B4E9);
const BLUISH_GREEN: Colour = Colour::hex(0x0000_9E73);
const YELLOW: Colour = Colour::hex(0x00F0_E442);
const BLUE: Colour = Colour::hex(0x0000_72B2);
const VERMILLION: Colour = Colour::hex(0x00D5_5E00);
const REDDISH_PURPLE: Colour = Colour::hex(0x00CC_79A7);

const LIGHT: Palette = Palette {
    background: Colour::hex(0x00FF_FFFF),
    ink: Colour::hex(0x001B_1F24),
    muted: Colour::hex(0x005B_636D),
    faint: Colour::hex(0x00E3_E6EA),
    series: [BLUE, VERMILLION, BLUISH_GREEN, REDDISH_PURPLE, ORANGE, SKY_BLUE],
    right: Colour::hex(0x0000_7A4D),
    wrong: Colour::hex(0x00C4_161C),
    hit: BLUE,
    miss: VERMILLION,
};

const DARK: Palette = Palette {
    background: Colour::hex(0x0014_181F),
    ink: Colour::hex(0x00EC_EFF3),
    muted: Colour::hex(0x00A0_A9B5),
    faint: Colour::hex(0x002B_323C),
    series: [SKY_BLUE, ORANGE, BLUISH_GREEN, REDDISH_PURPLE, YELLOW, VERMILLION],
    right: Colour::hex(0x0048_C78E),
    wrong: Colour::hex(0x00FF_7B6B),
    hit: SKY_BLUE,
    miss: ORANGE,
};

impl Theme {
    /// Its colours.
    #[must_use]
    pub fn palette(self) -> &'static Palette {
        match self {
            Self::Light => &LIGHT,
            Self::Dark => &DARK,
        }
    }
}

impl Style {
    /// The colours of its theme.
    #[must_use]
    pub fn palette(self) -> &'static Palette {
        self.theme.palette()
    }

    /// What is painted first.
    #[must_use]
    pub fn background(self) -> Option<Colour> {
        (!self.transparent).then_some(self.palette().background)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_is_wcags() {
        let (black, white) = (Colour::hex(0), Colour::hex(0x00FF_FFFF));
        assert!((black.contrast(white) - 21.0).abs() < 1e-3);
        // The grey that is known as the lightest for text on white.
        assert!((Colour::hex(0x0076_7676).contrast(white) - 4.54).abs() < 0.01);
    }

    #[test]
    fn text_and_lines_stand_out() {
        for theme in [Theme::Light, Theme::Dark] {
            let palette = theme.palette();
            for text in [palette.ink, palette.muted, palette.right, palette.wrong] {
                assert!(text.contrast(palette.background) >= 4.5, "{theme:?}: {text:?}");
            }
            for line in &palette.series[..3] {
                assert!(line.contrast(palette.background) >= 3.0, "{theme:?}: {line:?}");
            }
        }
    }

    #[test]
    fn between_two_colours() {
        let (black, white) = (Colour::hex(0), Colour::hex(0x00FF_FFFF));
        assert_eq!(black.towards(white, 0.0), black);
        assert_eq!(black.towards(white, 1.0), white);
        assert_eq!(black.towards(white, f32::NAN), black);
        assert_eq!(black.towards(white, 0.2).rgb, [51; 3]);
    }
}
