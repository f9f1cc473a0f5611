//! From measured values to lines that can be drawn.

use crate::shape::At;

/// A measured value and where it was measured.
pub(super) type Measured = (f64, Option<f64>);

/// An exponential moving average with `weight` of the past. The first values are not pulled towards zero. Gaps stay gaps, and the
/// average goes on after them.
pub(super) fn smoothed(values: &[Measured], weight: f64) -> Vec<Measured> {
    let weight = if weight.is_nan() { 0.0 } else { weight.clamp(0.0, 0.999) };
    let (mut average, mut share) = (0.0, 0.0);
    let smooth = |&(at, value): &Measured| {
        let value = value.and_then(crate::axis::sane).map(|value| {
            average = weight * average + (1.0 - weight) * value;
            share = weight * share + (1.0 - weight);
            average / share
        });
        (at, value)
    };
    values.iter().map(smooth).collect()
}

/// A line of values that held since the one before: a rate is told at the end of the epoch that it was for.
pub(super) fn stairs(values: &[Measured]) -> Vec<Measured> {
    let mut stairs = Vec::with_capacity(2 * values.len());
    for (index, &(at, value)) in values.iter().enumerate() {
        if let Some((since, Some(_))) = index.checked_sub(1).map(|index| values[index])
            && value.is_some()
        {
            stairs.push((since, value));
        }
        stairs.push((at, value));
    }
    stairs
}

/// The pieces between gaps, in pixels, with no more points than can be seen.
pub(super) fn pieces(values: &[Measured], place: impl Fn(f64, f64) -> Option<At>) -> Vec<Vec<At>> {
    let places: Vec<Option<At>> = values.iter().map(|&(at, value)| place(at, value?)).collect();
    places
        .split(Option::is_none)
        .filter(|piece| !piece.is_empty())
        .map(|piece| thinned(piece.iter().flatten()))
        .collect()
}

/// The first, the lowest, the highest and the last point of each half pixel, in their order. So no peak is lost.
fn thinned<'a>(points: impl Iterator<Item = &'a At>) -> Vec<At> {
    let mut kept: Vec<At> = Vec::new();
    let mut column: Vec<At> = Vec::new();
    let mut current = 0.0;
    for point in points {
        let half = (2.0 * point.0).floor();
        if half != current {
            kept.append(&mut extremes(&column));
            column.clear();
            current = half;
        }
        column.push(*point);
    }
    kept.append(&mut extremes(&column));
    kept
}

fn extremes(column: &[At]) -> Vec<At> {
    if column.len() <= 4 {
        return column.to_vec();
    }
    let by_height = |one: &&(usize, At), other: &&(usize, At)| one.1.1.total_cmp(&other.1.1);
    let numbered: Vec<(usize, At)> = column.iter().copied().enumerate().collect();
    let ends =
        [numbered.first(), numbered.iter().min_by(by_height), numbered.iter().max_by(by_height), numbered.last()];
    let mut kept: Vec<(usize, At)> = ends.into_iter().flatten().copied().collect();
    kept.sort_by_key(|point| point.0);
    kept.dedup_by_key(|point| point.0);
    kept.into_iter().map(|point| point.1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_is(at: f64, value: f64) -> Option<At> {
        (!value.is_nan()).then_some((at as f32, value as f32))
    }

    #[test]
    fn gaps_part_a_line() {
        let values = [
            (1.0, Some(1.0)),
            (2.0, None),
            (3.0, Some(3.0)),
            (4.0, Some(f64::NAN)),
            (5.0, Some(5.0)),
            (6.0, Some(6.0)),
        ];
        assert_eq!(pieces(&values, as_is), [vec![(1.0, 1.0)], vec![(3.0, 3.0)], vec![(5.0, 5.0), (6.0, 6.0)]]);
        assert!(pieces(&[], as_is).is_empty());
    }

    #[test]
    fn thinning_keeps_every_peak() {
        let mut values: Vec<Measured> = (0..100_000).map(|index| (f64::from(index) / 1_000.0, Some(0.0))).collect();
        values[54_321].1 = Some(7.0);
        values[54_322].1 = Some(-7.0);
        let [line] = &pieces(&values, as_is)[..] else { panic!("one line") };
        assert!(line.len() <= 4 * 200 + 4, "{} points", line.len());
        assert!(line.contains(&(54.321, 7.0)) && line.contains(&(54.322, -7.0)));
        assert_eq!((line[0], line[line.len() - 1]), ((0.0, 0.0), (99.999, 0.0)));
        assert!(line.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    }

    #[test]
    fn smoothing_is_an_unbiased_average() {
        let constant = [(1.0, Some(3.0)), (2.0, Some(3.0)), (3.0, None), (4.0, Some(3.0))];
        for (got, expected) in smoothed(&constant, 0.9).iter().zip(constant) {
            assert_eq!(got.1.is_some(), expected.1.is_some());
            assert!(got.1.is_none_or(|value| (value - 3.0).abs() < 1e-12));
        }
        // By hand: (0.5 * 0.5 * 1 + 0.5 * 2) / 0.75.
        let two = smoothed(&[(1.0, Some(1.0)), (2.0, Some(2.0))], 0.5);
        assert!((two[1].1.unwrap() - 5.0 / 3.0).abs() < 1e-12);
        assert_eq!(smoothed(&[(1.0, Some(1.0)), (2.0, Some(2.0))], f64::NAN)[1].1, Some(2.0));
    }

    #[test]
    fn a_value_held_since_the_one_before() {
        let rates = [(1.0, Some(0.1)), (2.0, Some(0.01)), (3.0, None), (4.0, Some(0.2))];
        let expected = [(1.0, Some(0.1)), (1.0, Some(0.01)), (2.0, Some(0.01)), (3.0, None), (4.0, Some(0.2))];
        assert_eq!(stairs(&rates), expected);
    }
}
