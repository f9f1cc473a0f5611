//! Times the fused kernels beside libtorch's own operations, alternately: `cargo run --release --example norm`.

use operations::norm::{self, Affine, Upstream, plain};
use std::time::{Duration, Instant};
use tch::{Device, Kind, TchError, Tensor, no_grad};

const ROUNDS: usize = 21;

fn main() -> Result<(), TchError> {
    tch::set_num_threads(1);
    println!("{:<28} {:>10} {:>10} {:>6}", "", "plain", "fused", "ratio");
    for kind in [Kind::Float, Kind::BFloat16] {
        for size in [[64, 16, 32, 32], [64, 32, 16, 16], [64, 64, 8, 8], [64, 64, 32, 32], [64, 512, 4, 4]] {
            no_grad(|| compare(size, kind))?;
        }
    }
    Ok(())
}

fn compare([n, channels, h, w]: [i64; 4], kind: Kind) -> Result<(), TchError> {
    let options = (Kind::Float, Device::Cpu);
    let random =
        || Ok::<_, TchError>(Tensor::f_randn([n, h, w, channels], options)?.to_kind(kind).permute([0, 3, 1, 2]));
    let (x, shortcut, gradient, second) = (random()?, random()?, random()?, random()?);
    let affine = || Affine { weight: Tensor::ones([channels], options), bias: Tensor::zeros([channels], options) };
    let (affine, mut parameters) = (affine(), affine());
    let mut batch = [Tensor::zeros([channels], options), Tensor::zeros([channels], options)];
    for shortcut in [None, Some(&shortcut)] {
        let second = shortcut.map(|_| &second);
        let mut times = [[Vec::new(), Vec::new()], [Vec::new(), Vec::new()]];
        for _ in 0..ROUNDS {
            for fused in [false, true] {
                let start = Instant::now();
                let train = if fused { norm::train } else { plain::train };
                let (output, statistics) = train(&x, &affine, &mut batch, shortcut, true)?;
                times[0][usize::from(fused)].push(start.elapsed());
                let (gradient, own) = (gradient.copy(), x.copy());
                let upstream = Upstream { gradient, second, output: &output, relu: true, shortcut: shortcut.is_some() };
                let start = Instant::now();
                if fused {
                    norm::backward(upstream, own, &affine, &statistics, &mut parameters)?;
                } else {
                    plain::backward(upstream, &x, &affine, &statistics, &mut parameters)?;
                }
                times[1][usize::from(fused)].push(start.elapsed());
            }
        }
        for (pass, [mut plain, mut fused]) in ["forward", "backward"].into_iter().zip(times) {
            let (plain, fused) = (median(&mut plain), median(&mut fused));
            let what = format!("{kind:?} {n}x{channels}x{h}x{w}{}", if shortcut.is_some() { " +" } else { "" });
            println!(
                "{what:<24} {pass:<9} {plain:>8.2?} {fused:>8.2?} {:>5.2}",
                plain.as_secs_f64() / fused.as_secs_f64()
            );
        }
    }
    Ok(())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
