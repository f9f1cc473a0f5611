//! In as few passes over memory as it takes, on a CPU.

use super::kernel::{self, Line, Mask, Slope, Sums};
use super::tiles::Tiles;
use super::{Affine, EPSILON, Gradients, Statistics, Upstream};
use crate::element::Element;
use crate::memory::{dense, dense_mut, pixels, pixels_mut};
use crate::parallel::{WORTH_A_THREAD, parallel, pieces, threads};
use half::bf16;
use std::ops::Range;
use tch::{Kind, TchError, Tensor};

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
    let values = pixels::<E>(x)?;
    // The first pixel: near enough to the mean.
    let pivot = tiles.spread(|channel| values.get(channel).map_or(0.0, |value| value.get()));
    let sums = parallel(shares(tiles).map(|range| {
        let (values, pivot) = (&values[range], &pivot);
        move || kernel::moments(values, tiles, pivot)
    }));
    let (sums, squares) = totals(tiles, &sums);
    let count = tiles.count() as f64;
    let [mut mean, mut invstd] = [(); 2].map(|()| vec![0.0_f32; tiles.channels]);
    {
        let [batch_mean, batch_variance] = batch;
        let (batch_mean, batch_variance) =
            (dense_mut(batch_mean, tiles.channels)?, dense_mut(batch_variance, tiles.channels)?);
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
        parallel(shares(tiles).map(|range| {
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
    let [mean, variance] = [dense(&running[0], tiles.channels)?, dense(&running[1], tiles.channels)?];
    let invstd: Vec<f32> =
        variance.iter().map(|variance| (1.0 / (f64::from(*variance) + EPSILON).sqrt()) as f32).collect();
    let line = line(affine, mean, &invstd, tiles)?;
    let shortcut = shortcut.map(pixels::<E>).transpose()?;
    let mut rest = pixels_mut::<E>(&mut x)?;
    parallel(shares(tiles).map(|range| {
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
    let (mean, invstd) = (dense(&statistics.mean, tiles.channels)?, dense(&statistics.invstd, tiles.channels)?);
    let line = line(affine, mean, invstd, tiles)?;
    let means = tiles.spread(|channel| mean[channel]);
    let output = if relu && shortcut { Some(pixels::<E>(output)?) } else { None };
    let second = second.map(pixels::<E>).transpose()?;
    let sums = {
        let x = pixels::<E>(&x)?;
        let mut rest = pixels_mut::<E>(&mut gradient)?;
        parallel(shares(tiles).map(|range| {
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
    let (sums, products) = totals(tiles, &sums);
    let slope = {
        let weight = dense(&affine.weight, tiles.channels)?;
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
        let (weight, bias) =
            (dense_mut(&mut parameters.weight, tiles.channels)?, dense_mut(&mut parameters.bias, tiles.channels)?);
        for channel in 0..tiles.channels {
            weight[channel] = (products[channel] * f64::from(invstd[channel])) as f32;
            bias[channel] = sums[channel] as f32;
        }
    }
    {
        let masked = output.is_some() || second.is_some() || !relu;
        let gradient = pixels::<E>(&gradient)?;
        let mut rest = pixels_mut::<E>(&mut x)?;
        parallel(shares(tiles).map(|range| {
            let x = rest.split_off_mut(..range.len()).unwrap_or_default();
            let (gradient, line, slope) = (&gradient[range], &line, &slope);
            move || kernel::descend(gradient, x, masked, tiles, line, slope)
        }));
    }
    Ok(Gradients { input: x, sum: gradient })
}

/// `(x - mean) * invstd * weight + bias` as one line a channel.
fn line(affine: &Affine, mean: &[f32], invstd: &[f32], tiles: Tiles) -> Result<Line, TchError> {
    let (weight, bias) = (dense(&affine.weight, tiles.channels)?, dense(&affine.bias, tiles.channels)?);
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

/// The elements in pieces of whole rows, for as many threads.
fn shares(tiles: Tiles) -> impl Iterator<Item = Range<usize>> {
    let threads = threads(tiles.rows * tiles.stride, WORTH_A_THREAD);
    pieces(tiles.rows, threads).map(move |rows| rows.start * tiles.stride..rows.end * tiles.stride)
}

fn tiles(x: &Tensor) -> Result<Tiles, TchError> {
    let size = x.size();
    let tiles = size.get(1).and_then(|channels| Tiles::new(x.numel(), *channels as usize));
    tiles.ok_or_else(|| TchError::Shape(format!("no kernel for normalising {size:?}")))
}
