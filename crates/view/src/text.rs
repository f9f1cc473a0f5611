//! Numbers and words for people.

use std::time::Duration;

/// `11,173,962`.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A fraction from 0 to 1 as `71.25 %`.
#[must_use]
pub fn percent(fraction: f64) -> String {
    format!("{:.2} %", 100.0 * fraction)
}

/// Seconds as `1h02m`, `3m07s` or `9.1s`.
#[must_use]
pub fn duration(seconds: f64) -> String {
    let seconds = if seconds.is_finite() { seconds.clamp(0.0, 1e9) } else { 0.0 };
    // Below a minute with tenths; 59.96 would read as 60.0.
    if seconds < 59.95 {
        return format!("{seconds:.1}s");
    }
    let whole = Duration::from_secs_f64(seconds.round()).as_secs();
    match whole {
        86_400.. => format!("{}d{:02}h", whole / 86_400, whole / 3600 % 24),
        3600.. => format!("{}h{:02}m", whole / 3600, whole / 60 % 60),
        _ => format!("{}m{:02}s", whole / 60, whole % 60),
    }
}

/// A learning rate: `0.1`, `0.000781`, `4.00e-7`.
#[must_use]
pub fn rate(rate: f64) -> String {
    if rate != 0.0 && rate.abs() < 1e-4 {
        return format!("{rate:.2e}");
    }
    let text = format!("{rate:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Images a second: `1,234 images/s`, below ten with a decimal.
#[must_use]
pub fn speed(images_per_second: f64) -> String {
    if images_per_second < 9.95 {
        format!("{images_per_second:.1} images/s")
    } else {
        format!("{} images/s", thousands(images_per_second.round() as u64))
    }
}

/// Numbers in rising order, runs of them shortened: `0-3, 6`. `-` for none.
#[must_use]
pub fn ranges(numbers: &[u32]) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*number) => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    if runs.is_empty() {
        return "-".to_owned();
    }
    let run = |(first, last): &(u32, u32)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    runs.iter().map(run).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!([0, 999, 1000, 11_173_962].map(thousands), ["0", "999", "1,000", "11,173,962"]);
        assert_eq!([0.0, 0.7125, 1.0].map(percent), ["0.00 %", "71.25 %", "100.00 %"]);
        assert_eq!([0.1, 0.000_781_25, 4e-7, 0.0, 1.0, 20.0].map(rate), ["0.1", "0.000781", "4.00e-7", "0", "1", "20"]);
        assert_eq!([4.25, 1234.4].map(speed), ["4.2 images/s", "1,234 images/s"]);
    }

    #[test]
    fn times() {
        assert_eq!([9.14, 59.96, 187.0, 3725.0, 90_000.0].map(duration), ["9.1s", "1m00s", "3m07s", "1h02m", "1d01h"]);
        assert_eq!([f64::NAN, -1.0].map(duration), ["0.0s", "0.0s"]);
    }

    #[test]
    fn shards() {
        assert_eq!(ranges(&[]), "-");
        assert_eq!(ranges(&[2]), "2");
        assert_eq!(ranges(&[0, 1, 2, 3, 6, 8, 9]), "0-3, 6, 8-9");
    }
}
