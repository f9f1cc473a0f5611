//! From values to places along an axis, and the ticks that people read them by: multiples of 1, 2 or 5.

/// A value beyond this, or below its inverse on a logarithmic axis, has no place on an axis.
const LARGEST: f64 = 1e100;

/// `value`, if it has a place on an axis. The smallest values count as zero.
pub(crate) fn sane(value: f64) -> Option<f64> {
    if value.abs() <= LARGEST { Some(if value.abs() < 1.0 / LARGEST { 0.0 } else { value }) } else { None }
}

/// The least and the greatest value that have a place on an axis.
pub(crate) fn range(values: impl Iterator<Item = f64>, logarithmic: bool) -> Option<(f64, f64)> {
    values.filter_map(sane).filter(|value| !logarithmic || *value > 0.0).fold(None, |range, value| {
        Some(range.map_or((value, value), |(low, high): (f64, f64)| (low.min(value), high.max(value))))
    })
}

/// A power of ten.
fn ten_to(exponent: i32) -> f64 {
    10f64.powi(exponent)
}

/// Ticks of one step, which is 1, 2 or 5 times a power of ten.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Step {
    digit: f64,
    exponent: i32,
}

impl Step {
    /// The `index`th multiple. Negative powers are divided by, so that 3 x 0.1 is 0.3.
    fn times(self, index: f64) -> f64 {
        let tens = ten_to(self.exponent.abs());
        if self.exponent < 0 { index * self.digit / tens } else { index * self.digit * tens }
    }

    fn size(self) -> f64 {
        self.times(1.0)
    }

    /// All steps, from one that is small for such a `span` up.
    fn from_small(span: f64, at_most: usize) -> impl Iterator<Item = Self> {
        let exponent = (span / at_most.max(1) as f64).log10().floor() as i32 - 1;
        (exponent..).flat_map(|exponent| [1.0, 2.0, 5.0].map(|digit| Self { digit, exponent }))
    }
}

/// Where values lie on an axis, and its ticks.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
    ticks: Vec<f64>,
    labels: Vec<String>,
}

impl Axis {
    /// An axis whose first and last tick enclose `low` and `high`, with at most so many ticks, but never fewer than three are
    /// allowed. A single value gets some room on both sides. Values that are no numbers make an axis from 0 to 1.
    #[must_use]
    pub fn covering(low: f64, high: f64, at_most: usize) -> Self {
        let (low, high) = widened(low, high);
        let at_most = at_most.max(3);
        for step in Step::from_small(high - low, at_most) {
            let mut first = (low / step.size()).floor();
            let mut last = (high / step.size()).ceil();
            // Quotients are rounded.
            if step.times(first) > low {
                first -= 1.0;
            }
            if step.times(last) < high {
                last += 1.0;
            }
            if last - first < at_most as f64 {
                return Self::of_steps(None, step, first, last);
            }
        }
        Self::of_steps(None, Step { digit: 1.0, exponent: 0 }, 0.0, 1.0)
    }

    /// An axis from `low` to `high`, with at most so many ticks between them. With `whole`, ticks are whole numbers if any are.
    #[must_use]
    pub fn within(low: f64, high: f64, at_most: usize, whole: bool) -> Self {
        let (low, high) = widened(low, high);
        let whole = whole && low.ceil() <= high.floor();
        for step in Step::from_small(high - low, at_most).filter(|step| !whole || step.exponent >= 0) {
            let first = (low / step.size()).ceil();
            let last = (high / step.size()).floor();
            if last - first < at_most.max(1) as f64 {
                return Self::of_steps(Some((low, high)), step, first, last);
            }
        }
        Self::of_steps(Some((low, high)), Step { digit: 1.0, exponent: 0 }, 0.0, 1.0)
    }

    /// A logarithmic axis whose first and last tick enclose `low` and `high`. Its ticks are 1, 2 and 5 times powers of ten, or
    /// powers of ten only. There are at most so many, but never fewer than three are allowed.
    #[must_use]
    pub fn logarithmic(low: f64, high: f64, at_most: usize) -> Self {
        let usable = |value: f64| (1.0 / LARGEST..=LARGEST).contains(&value);
        let (low, high) = if usable(low) && usable(high) { (low.min(high), low.max(high)) } else { (0.1, 1.0) };
        let at_most = at_most.max(3);
        let decades = |value: f64| value.log10().floor() as i32;
        let fine: Vec<f64> = (decades(low) - 1..=decades(high) + 1)
            .flat_map(|exponent| [1.0, 2.0, 5.0].map(|digit| Step { digit, exponent }.size()))
            .collect();
        let first = fine.iter().rposition(|tick| *tick <= low).unwrap_or(0);
        // A single value that is a tick itself would make an axis without a length.
        let last = fine.iter().position(|tick| *tick >= high && *tick > fine[first]).unwrap_or(fine.len() - 1);
        if last - first < at_most {
            return Self::of_decades(fine[first..=last].to_vec());
        }
        for every in [1, 2, 5, 10, 20, 50, 100, 200] {
            let first = (decades(low)).div_euclid(every);
            let mut last = first;
            while ten_to(last * every) < high {
                last += 1;
            }
            if ((last - first) as usize) < at_most {
                return Self::of_decades((first..=last).map(|index| ten_to(index * every)).collect());
            }
        }
        Self::of_decades(vec![1.0 / LARGEST, 1.0, LARGEST])
    }

    fn of_steps(ends: Option<(f64, f64)>, step: Step, first: f64, last: f64) -> Self {
        let count = (last - first).max(-1.0) as usize;
        let ticks: Vec<f64> = if last < first {
            Vec::new()
        } else {
            // Adding zero turns a negative zero into a positive one.
            (0..=count).map(|index| step.times(first + index as f64) + 0.0).collect()
        };
        let (low, high) = ends.unwrap_or((step.times(first), step.times(last)));
        let greatest = ticks.iter().fold(0.0, |greatest: f64, tick| greatest.max(tick.abs()));
        let labels = ticks.iter().map(|tick| label(*tick, greatest, step.exponent)).collect();
        Self { low, high, logarithmic: false, ticks, labels }
    }

    fn of_decades(ticks: Vec<f64>) -> Self {
        let labels = ticks.iter().map(|tick| label(*tick, *tick, tick.log10().floor() as i32)).collect();
        let (low, high) = (ticks.first().copied().unwrap_or(0.1), ticks.last().copied().unwrap_or(1.0));
        Self { low, high, logarithmic: true, ticks, labels }
    }

    /// The same, with a sign after each label.
    #[must_use]
    pub fn with_unit(self, unit: &str) -> Self {
        let labels = self.labels.into_iter().map(|label| label + unit).collect();
        Self { labels, ..self }
    }

    /// Where `value` lies: 0 at the beginning of the axis, 1 at its end. Nowhere if it is no number, or too large; on a
    /// logarithmic axis also if it is not positive.
    #[must_use]
    pub fn place(&self, value: f64) -> Option<f32> {
        let value = sane(value)?;
        let (low, high, value) = match self.logarithmic {
            true if value <= 0.0 => return None,
            true => (self.low.log10(), self.high.log10(), value.log10()),
            false => (self.low, self.high, value),
        };
        let share = (value - low) / (high - low);
        share.is_finite().then_some(share as f32)
    }

    /// Its ticks, in rising order, and what is written at them.
    pub fn ticks(&self) -> impl ExactSizeIterator<Item = (f64, &str)> {
        self.ticks.iter().copied().zip(self.labels.iter().map(String::as_str))
    }
}

/// A range that is wide enough for digits to tell its ends apart.
fn widened(low: f64, high: f64) -> (f64, f64) {
    let (Some(low), Some(high)) = (sane(low), sane(high)) else { return (0.0, 1.0) };
    let (low, high) = (low.min(high), low.max(high));
    let greatest = low.abs().max(high.abs());
    if greatest == 0.0 {
        (0.0, 1.0)
    } else if high - low <= 1e-9 * greatest {
        (low - 0.1 * greatest, high + 0.1 * greatest)
    } else {
        (low, high)
    }
}

/// `value` to the digit of `exponent`, on an axis up to `greatest`.
fn label(value: f64, greatest: f64, exponent: i32) -> String {
    let text = if value == 0.0 {
        "0".to_owned()
    } else if greatest >= 1e7 || exponent < -5 {
        let digits = (value.abs().log10().floor() as i32 - exponent).clamp(0, 12) as usize;
        format!("{value:.digits$e}")
    } else {
        thousands(value, exponent.min(0).unsigned_abs() as usize)
    };
    text.replacen('-', "−", usize::from(value < 0.0))
}

/// A number with commas between thousands and so many digits after the point.
pub(crate) fn thousands(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let (sign, text) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_as_people_choose_them() {
        assert_eq!(labels(&Axis::covering(0.31, 2.28, 6)), ["0", "0.5", "1.0", "1.5", "2.0", "2.5"]);
        assert_eq!(labels(&Axis::covering(0.1, 0.3, 5)), ["0.10", "0.15", "0.20", "0.25", "0.30"]);
        assert_eq!(labels(&Axis::covering(-3.0, 12.0, 5)), ["−5", "0", "5", "10", "15"]);
        assert_eq!(
            labels(&Axis::within(1.0, 20.0, 10, true)),
            ["2", "4", "6", "8", "10", "12", "14", "16", "18", "20"]
        );
        assert_eq!(labels(&Axis::within(1.0, 2.0, 10, true)), ["1", "2"]);
        assert_eq!(labels(&Axis::within(0.5, 1.5, 10, true)), ["1"]);
        assert_eq!(labels(&Axis::within(0.0, 9_000.0, 4, true)), ["0", "5,000"]);
        assert_eq!(labels(&Axis::covering(0.0, 3e7, 4)), ["0", "1e7", "2e7", "3e7"]);
        assert_eq!(labels(&Axis::covering(0.0, 1.5e-6, 4)), ["0", "5e-7", "1.0e-6", "1.5e-6"]);
    }

    #[test]
    fn decades_or_parts_of_them() {
        assert_eq!(labels(&Axis::logarithmic(0.3, 2.2, 6)), ["0.2", "0.5", "1", "2", "5"]);
        assert_eq!(labels(&Axis::logarithmic(1e-5, 0.1, 6)), ["0.00001", "0.0001", "0.001", "0.01", "0.1"]);
        assert_eq!(
            labels(&Axis::logarithmic(2e-7, 900.0, 7)),
            ["1e-8", "1e-6", "0.0001", "0.01", "1", "100", "10,000"]
        );
        assert_eq!(labels(&Axis::logarithmic(1.0, 1.0, 6)), ["1", "2"]);
    }

    #[test]
    fn a_single_value_gets_room() {
        let axis = Axis::covering(0.5, 0.5, 6);
        assert_eq!(axis.place(0.5), Some(0.5));
        assert_eq!(labels(&Axis::covering(0.0, 0.0, 3)), ["0", "0.5", "1.0"]);
        assert_eq!(labels(&Axis::covering(f64::NAN, f64::INFINITY, 3)), ["0", "0.5", "1.0"]);
    }

    #[test]
    fn what_has_no_place() {
        let axis = Axis::logarithmic(0.1, 10.0, 5);
        assert_eq!([0.0, -1.0, f64::NAN, f64::INFINITY, 1e200].map(|value| axis.place(value)), [None; 5]);
        assert!((axis.place(1.0).unwrap() - 0.5).abs() < 1e-6);
        assert_eq!(range([f64::NAN, 3.0, -1.0, 1e300].into_iter(), false), Some((-1.0, 3.0)));
        assert_eq!(range([f64::NAN, 3.0, -1.0, 1e300].into_iter(), true), Some((3.0, 3.0)));
        assert_eq!(range([f64::NAN].into_iter(), false), None);
    }

    #[test]
    fn commas_between_thousands() {
        assert_eq!(thousands(1_234_567.0, 0), "1,234,567");
        assert_eq!(thousands(-999.5, 1), "-999.5");
        assert_eq!(thousands(-1_000.0, 0), "-1,000");
    }

    /// Values of every size, as often around 1 as far from it.
    fn values() -> impl Strategy<Value = f64> {
        let sized = (-1.0..1.0f64, -99..100i32).prop_map(|(digits, exponent)| digits * ten_to(exponent));
        prop_oneof![-10.0..10.0f64, sized, any::<f64>()]
    }

    fn rising(axis: &Axis) -> bool {
        axis.ticks.windows(2).all(|pair| pair[0] < pair[1])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn ticks_enclose_the_range(low in values(), high in values(), at_most in 0..20usize) {
            let axis = Axis::covering(low, high, at_most);
            prop_assert!(axis.ticks.len() >= 2 && axis.ticks.len() <= at_most.max(3), "{axis:?}");
            prop_assert!(rising(&axis), "{axis:?}");
            for value in [low, high] {
                if let Some(place) = axis.place(value).filter(|_| sane(low).is_some() && sane(high).is_some()) {
                    prop_assert!((0.0..=1.0).contains(&place), "{value} is at {place} of {axis:?}");
                }
            }
        }

        #[test]
        fn ticks_lie_within_the_range(low in values(), high in values(), at_most in 1..20usize, whole in any::<bool>()) {
            let axis = Axis::within(low, high, at_most, whole);
            prop_assert!(axis.ticks.len() <= at_most, "{axis:?}");
            prop_assert!(rising(&axis), "{axis:?}");
            for (tick, _) in axis.ticks() {
                let place = axis.place(tick).unwrap();
                prop_assert!((-1e-6..=1.000_001).contains(&place), "{tick} is at {place} of {axis:?}");
            }
        }

        #[test]
        fn decades_enclose_the_range(low in values(), high in values(), at_most in 0..20usize) {
            let axis = Axis::logarithmic(low, high, at_most);
            prop_assert!(axis.ticks.len() >= 2 && axis.ticks.len() <= at_most.max(3), "{axis:?}");
            prop_assert!(rising(&axis), "{axis:?}");
            if low >= 1e-100 && high >= 1e-100 && low.max(high) <= LARGEST {
                for value in [low, high] {
                    let place = axis.place(value).unwrap();
                    prop_assert!((-1e-6..=1.000_001).contains(&place), "{value} is at {place} of {axis:?}");
                }
            }
        }

        #[test]
        fn labels_differ(low in values(), high in values()) {
            let axis = Axis::covering(low, high, 8);
            let mut labels = axis.labels.clone();
            labels.dedup();
            prop_assert_eq!(labels.len(), axis.labels.len(), "{:?}", axis);
        }
    }
}
