//! Bars that show a fraction.

/// A bar of `width` columns, of which `fraction` is filled. Anything between nothing and all shows as such: a bar is only
/// full when it is done.
#[must_use]
pub fn bar(fraction: f64, width: usize) -> String {
    let fraction = if fraction.is_nan() { 0.0 } else { fraction.clamp(0.0, 1.0) };
    let mut filled = (fraction * width as f64).round() as usize;
    if fraction < 1.0 && filled == width {
        filled = width.saturating_sub(1);
    }
    format!("{}{}", "█".repeat(filled), "░".repeat(width - filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filled_by_the_fraction() {
        assert_eq!(bar(0.0, 4), "░░░░");
        assert_eq!(bar(0.5, 4), "██░░");
        assert_eq!(bar(0.99, 4), "███░");
        assert_eq!(bar(1.0, 4), "████");
    }

    #[test]
    fn any_number_makes_a_bar() {
        assert_eq!(bar(f64::NAN, 2), "░░");
        assert_eq!(bar(-1.0, 2), "░░");
        assert_eq!(bar(7.0, 2), "██");
        assert_eq!(bar(0.5, 0), "");
    }
}
