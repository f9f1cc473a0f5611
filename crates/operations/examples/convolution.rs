//! Times the crate's convolutions beside libtorch's, alternately: `cargo run --release --example
//! convolution [CHANNELS]`.

use operations::Convolution;
use std::time::{Duration, Instant};
use tch::{Device, Kind, TchError, Tensor, no_grad};

const ROUNDS: usize = 15;

fn main() -> Result<(), TchError> {
    tch::set_num_threads(1);
    let only: Option<i64> = std::env::args().nth(1).and_then(|channels| channels.parse().ok());
    println!("{:<37} {:>10} {:>10} {:>6} {:>9}", "", "libtorch", "ours", "ratio", "error");
    for size in [[64, 16, 32], [64, 32, 16], [64, 64, 8], [64, 64, 32], [64, 128, 16], [64, 256, 8], [64, 512, 4]] {
        if only.is_none_or(|channels| channels == size[1]) {
            no_grad(|| compare(size, Kind::Float))?;
            no_grad(|| compare(size, Kind::BFloat16))?;
        }
    }
    Ok(())
}

fn compare([n, channels, side]: [i64; 3], kind: Kind) -> Result<(), TchError> {
    let options = (Kind::Float, Device::Cpu);
    let random = || Tensor::f_randn([n, side, side, channels], options)?.f_to_kind(kind)?.f_permute([0, 3, 1, 2]);
    let (input, gradient) = (random()?, random()?);
    let weight = Tensor::f_randn([channels, channels, 3, 3], options)?.f_to_kind(kind)?;
    let convolution = Convolution { stride: 1, padding: 1 };
    let mut times = [[Vec::new(), Vec::new()], [Vec::new(), Vec::new()]];
    let mut errors = [0.0; 2];
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let expected = convolution.direct(&input, &weight)?;
        times[0][0].push(start.elapsed());
        let start = Instant::now();
        let found = convolution.forward(&input, &weight)?;
        times[0][1].push(start.elapsed());
        errors[0] = error(&found, &expected);
        let start = Instant::now();
        let expected = convolution.direct_backward(&gradient, &input, &weight, true)?;
        times[1][0].push(start.elapsed());
        let start = Instant::now();
        let found = convolution.backward(&gradient, &input, &weight, true)?;
        times[1][1].push(start.elapsed());
        errors[1] = error(&found.1, &expected.1);
        if let (Some(found), Some(expected)) = (found.0, expected.0) {
            errors[1] = errors[1].max(error(&found, &expected));
        }
    }
    for ((pass, [mut theirs, mut ours]), error) in ["forward", "backward"].into_iter().zip(times).zip(errors) {
        let (theirs, ours) = (median(&mut theirs), median(&mut ours));
        let what = format!("{kind:?} {n}x{channels}x{side}x{side}");
        let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
        println!("{what:<27} {pass:<9} {theirs:>10.2?} {ours:>10.2?} {ratio:>6.2} {error:>9.1e}");
    }
    Ok(())
}

/// The norm of the difference as a share of that of `expected`.
fn error(found: &Tensor, expected: &Tensor) -> f64 {
    let (found, expected) = (found.to_kind(Kind::Double), expected.to_kind(Kind::Double));
    ((found - &expected).norm() / expected.norm()).double_value(&[])
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
