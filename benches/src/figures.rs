//! What many measurements come to.

/// The value that half of `values` do not exceed; not a number where there are none.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    at_percent(values, 50)
}

/// The value that `percent` of `values` do not exceed; not a number where there are none.
#[must_use]
pub fn at_percent(values: &[f64], percent: usize) -> f64 {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    let place = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.get(place).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_sorted_values() {
        let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!([50, 99, 100].map(|percent| at_percent(&values, percent)), [100.0, 198.0, 200.0]);
        assert_eq!((median(&[3.0, 1.0, 2.0]), median(&[7.0])), (2.0, 7.0));
        assert!(median(&[]).is_nan());
    }
}
