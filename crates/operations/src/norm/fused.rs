//! In as few passes over memory as it takes, on a CPU.

use super::kernel::{self, Element, Line, Mask, Slope, Sums};
use super::tiles::Tiles;
use super::{Affine, EPSILON, Gradients, Statistics, Upstream};
use half::bf16;
use std::{slice, thread};
use tch::{Kind, TchError, Tensor};

/// Elements below which a second thread costs more than it brings.
const WORTH_A_THREAD: usize = 1 << 16;

pub(super) fn train(
    x: &Tensor,
    affine: &Affine,
    batch: &mut [Tensor; 2],
    shortcut: Option<&Tensor>,
    relu: bool,
) -> Result<(Tensor, Statistics), TchError> {
    match x.kind() {
        Kind::BFloat16 => train_as::<bf16>(x, affine, batch, shortcut, relu),
        _ => train_as::<f32>(x, affine, batch, shortcut, relu),
    }
}

pub(super) fn infer(
    x: Tensor,
    affine: &Affine,
    running: &[Tensor; 2],
    shortcut: Option<&Tensor>,
    relu: bool,
) -> Result<Tensor, TchError> {
    match x.kind() {
        Kind::BFloat16 => infer_as::<bf16>(x, affine, running, shortcut, relu),
        _ => infer_as::<f32>(x, affine, running, shortcut, relu),
    }
}

pub(super) fn backward(
    upstream: Upstream<'_>,
    x: Tensor,
    affine: &Affine,
    statistics: &Statistics,
    parameters: &mut Affine,
) -> Result<Gradients, TchError> {
    match x.kind() {
        Kind::BFloat16 => backward_as::<bf16>(upstream, x, affine, statistics, parameters),
        _ => backward_as::<f32>(upstream, x, affine, statistics, parameters),
    }
}

fn train_as<E: Element>(
    x: &Tensor,
    affine: &Affine,
    batch: &mut [Tensor; 2],
    shortcut: Option<&Tensor>,
    relu: bool,
) -> Result<(Tensor, Statistics), TchError> {
    let tiles = tiles(x)?;
    let (values, threads) = (pixels::<E>(x)?, threads(tiles));
    // The first pixel: near enough to the mean.
    let pivot = tiles.spread(|channel| values.get(channel).map_or(0.0, |value| value.get()));
    let pieces = parallel(tiles.pieces(threads).map(|rows| {
        let (values, pivot) = (&values[rows.start * tiles.stride..rows.end * tiles.stride], &pivot);
        move || kernel::moments(values, tiles, pivot)
    }));
    let (sums, squares) = totals(tiles, &pieces);
    let count = tiles.count() as f64;
    let [mut mean, mut invstd] = [(); 2].map(|()| vec![0.0_f32; tiles.channels]);
    {
        let [batch_mean, batch_variance] = batch;
        let (batch_mean, batch_variance) = (channels_mut(batch_mean, tiles)?, channels_mut(batch_variance, tiles)?);
        for channel in 0..tiles.channels {
            let offset = sums[channel] / count;
            let variance = (squares[channel] / count - offset * offset).max(0.0);
            mean[channel] = (f64::from(values[channel].get()) + offset) as f32;
            invstd[channel] = (1.0 / (variance + EPSILON).sqrt()) as f32;
            batch_mean[channel] = mean[channel];
            batch_variance[channel] = (variance * count / (count - 1.0)) as f32;
        }
    }
    let line = line(affine, &mean, &invstd, tiles)?;
    let mut y = x.f_empty_like()?;
    {
        let shortcut = shortcut.map(pixels::<E>).transpose()?;
        let mut rest = pixels_mut::<E>(&mut y)?;
        parallel(tiles.pieces(threads).map(|rows| {
            let range = rows.start * tiles.stride..rows.end * tiles.stride;
            let y = rest.split_off_mut(..range.len()).unwrap_or_default();
            let (x, shortcut, line) = (&values[range.clone()], shortcut.map(|shortcut| &shortcut[range]), &line);
            move || kernel::apply(x, y, shortcut, tiles, line, relu)
        }));
    }
    Ok((y, Statistics { mean: Tensor::f_from_slice(&mean)?, invstd: Tensor::f_from_slice(&invstd)? }))
}

fn infer_as<E: Element>(
    mut x: Tensor,
    affine: &Affine,
    running: &[Tensor; 2],
    shortcut: Option<&Tensor>,
    relu: bool,
) -> Result<Tensor, TchError> {
    let tiles = tiles(&x)?;
    let [mean, variance] = [channels(&running[0], tiles)?, channels(&running[1], tiles)?];
    let invstd: Vec<f32> =
        variance.iter().map(|variance| (1.0 / (f64::from(*variance) + EPSILON).sqrt()) as f32).collect();
    let line = line(affine, mean, &invstd, tiles)?;
    let shortcut = shortcut.map(pixels::<E>).transpose()?;
    let mut rest = pixels_mut::<E>(&mut x)?;
    parallel(tiles.pieces(threads(tiles)).map(|rows| {
        let range = rows.start * tiles.stride..rows.end * tiles.stride;
        let x = rest.split_off_mut(..range.len()).unwrap_or_default();
        let (shortcut, line) = (shortcut.map(|shortcut| &shortcut[range]), &line);
        move || kernel::apply_in_place(x, shortcut, tiles, line, relu)
    }));
    Ok(x)
}

fn backward_as<E: Element>(
    upstream: Upstream<'_>,
    mut x: Tensor,
    affine: &Affine,
    statistics: &Statistics,
    parameters: &mut Affine,
) -> Result<Gradients, TchError> {
    let Upstream { mut gradient, second, output, relu, shortcut } = upstream;
    let tiles = tiles(&x)?;
    let threads = threads(tiles);
    let (mean, invstd) = (channels(&statistics.mean, tiles)?, channels(&statistics.invstd, tiles)?);
    let line = line(affine, mean, invstd, tiles)?;
    let means = tiles.spread(|channel| mean[channel]);
    let output = if relu && shortcut { Some(pixels::<E>(output)?) } else { None };
    let second = second.map(pixels::<E>).transpose()?;
    let pieces = {
        let x = pixels::<E>(&x)?;
        let mut rest = pixels_mut::<E>(&mut gradient)?;
        parallel(tiles.pieces(threads).map(|rows| {
            let range = rows.start * tiles.stride..rows.end * tiles.stride;
            let gradient = rest.split_off_mut(..range.len()).unwrap_or_default();
            let mask = match output {
                Some(output) => Mask::Output(&output[range.clone()]),
                None if relu => Mask::Line,
                None => Mask::All,
            };
            let (x, second, means) = (&x[range.clone()], second.map(|second| &second[range]), &means);
            let line = &line;
            move || kernel::reduce(gradient, second, x, mask, tiles, line, means)
        }))
    };
    let (sums, products) = totals(tiles, &pieces);
    let slope = {
        let weight = channels(&affine.weight, tiles)?;
        let count = tiles.count() as f64;
        let inverse = |channel: usize| f64::from(invstd[channel]);
        Slope {
            scale: tiles.spread(|channel| weight[channel] * invstd[channel]),
            mean: means,
            first: tiles.spread(|channel| (sums[channel] / count) as f32),
            second: tiles.spread(|channel| (products[channel] / count * inverse(channel) * inverse(channel)) as f32),
        }
    };
    {
        let (weight, bias) = (channels_mut(&mut parameters.weight, tiles)?, channels_mut(&mut parameters.bias, tiles)?);
        for channel in 0..tiles.channels {
            weight[channel] = (products[channel] * f64::from(invstd[channel])) as f32;
            bias[channel] = sums[channel] as f32;
        }
    }
    {
        let masked = output.is_some() || second.is_some() || !relu;
        let gradient = pixels::<E>(&gradient)?;
        let mut rest = pixels_mut::<E>(&mut x)?;
        parallel(tiles.pieces(threads).map(|rows| {
            let range = rows.start * tiles.stride..rows.end * tiles.stride;
            let x = rest.split_off_mut(..range.len()).unwrap_or_default();
            let (gradient, line, slope) = (&gradient[range], &line, &slope);
            move || kernel::descend(gradient, x, masked, tiles, line, slope)
        }));
    }
    Ok(Gradients { input: x, sum: gradient })
}

/// `(x - mean) * invstd * weight + bias` as one line a channel.
fn line(affine: &Affine, mean: &[f32], invstd: &[f32], tiles: Tiles) -> Result<Line, TchError> {
    let (weight, bias) = (channels(&affine.weight, tiles)?, channels(&affine.bias, tiles)?);
    let scale = |channel: usize| weight[channel] * invstd[channel];
    Ok(Line {
        scale: tiles.spread(scale),
        shift: tiles.spread(|channel| bias[channel] - mean[channel] * scale(channel)),
    })
}

fn totals(tiles: Tiles, pieces: &[Sums]) -> (Vec<f64>, Vec<f64>) {
    let sums = pieces.iter().fold(Sums::zeros(tiles), Sums::merge);
    (tiles.gather(&sums.first), tiles.gather(&sums.second))
}

fn threads(tiles: Tiles) -> usize {
    let worth = tiles.rows * tiles.stride / WORTH_A_THREAD;
    (tch::get_num_threads().max(1) as usize).min(worth.max(1))
}

/// The results of `jobs`, in their order. The first is done here, each other on a thread of its own.
fn parallel<R: Send, J: FnOnce() -> R + Send>(mut jobs: impl Iterator<Item = J>) -> Vec<R> {
    let Some(first) = jobs.next() else { return Vec::new() };
    let rest: Vec<J> = jobs.collect();
    if rest.is_empty() {
        return vec![first()];
    }
    thread::scope(|scope| {
        let handles: Vec<_> = rest.into_iter().map(|job| scope.spawn(job)).collect();
        let mut results = vec![first()];
        for handle in handles {
            match handle.join() {
                Ok(result) => results.push(result),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    })
}

fn tiles(x: &Tensor) -> Result<Tiles, TchError> {
    let size = x.size();
    let tiles = size.get(1).and_then(|channels| Tiles::new(x.numel(), *channels as usize));
    tiles.ok_or_else(|| TchError::Shape(format!("no kernel for normalising {size:?}")))
}

fn channels(tensor: &Tensor, tiles: Tiles) -> Result<&[f32], TchError> {
    check(tensor, Kind::Float, tensor.is_contiguous() && tensor.numel() == tiles.channels)?;
    // SAFETY: that many f32 lie there, and the borrow of the tensor keeps them. Nothing writes to them meanwhile: this
    // module writes only to tensors that it borrows mutably, which no caller lets share memory with these.
    Ok(unsafe { slice::from_raw_parts(tensor.data_ptr().cast(), tiles.channels) })
}

fn channels_mut(tensor: &mut Tensor, tiles: Tiles) -> Result<&mut [f32], TchError> {
    check(tensor, Kind::Float, tensor.is_contiguous() && tensor.numel() == tiles.channels)?;
    // SAFETY: as in `channels`.
    Ok(unsafe { slice::from_raw_parts_mut(tensor.data_ptr().cast(), tiles.channels) })
}

fn pixels<E: Element>(tensor: &Tensor) -> Result<&[E], TchError> {
    check(tensor, E::KIND, tensor.f_permute([0, 2, 3, 1])?.is_contiguous())?;
    // SAFETY: as in `channels`, and the kind was checked.
    Ok(unsafe { slice::from_raw_parts(tensor.data_ptr().cast(), tensor.numel()) })
}

fn pixels_mut<E: Element>(tensor: &mut Tensor) -> Result<&mut [E], TchError> {
    check(tensor, E::KIND, tensor.f_permute([0, 2, 3, 1])?.is_contiguous())?;
    // SAFETY: as in `channels`, and the kind was checked.
    Ok(unsafe { slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) })
}

fn check(tensor: &Tensor, kind: Kind, dense: bool) -> Result<(), TchError> {
    if tensor.kind() == kind && dense && tensor.device() == tch::Device::Cpu {
        return Ok(());
    }
    let (found, size) = (tensor.kind(), tensor.size());
    Err(TchError::Shape(format!("a kernel wants {kind:?} with channels last on a CPU, not {found:?} {size:?}")))
}
