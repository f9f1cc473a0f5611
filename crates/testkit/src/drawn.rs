//! Weights and batches that Rust and Python draw alike: the twin of `tests/golden/drawn.py`.

use data::Normaliser;
use importers::cifar10::{IMAGE_BYTES, spec};
use plan::random::{below, philox, unit};
use resnet::{Buffer, Layout};
use tch::Tensor;

/// The last word of the counter says what numbers are for. The product's own purposes are 0 to 2.
const PERTURBATION: u32 = 16;
const BATCH: u32 = 17;

/// One block makes 16 bytes; the label comes from the block after the image's.
const BLOCKS_PER_IMAGE: u32 = IMAGE_BYTES as u32 / 16;

fn block(seed: u64, index: u32, place: u32, purpose: u32) -> [u32; 4] {
    philox([seed as u32, (seed >> 32) as u32], [index, place, 0, purpose])
}

/// `count` images as CIFAR-10 has them (bytes by channel, row, column) and their labels.
///
/// # Panics
/// Never: an image has as many bytes as its blocks.
#[must_use]
pub fn batch(seed: u64, count: u32) -> (Vec<[u8; IMAGE_BYTES]>, Vec<i64>) {
    let image = |index| {
        let blocks = (0..BLOCKS_PER_IMAGE).flat_map(|place| block(seed, index, place, BATCH));
        let bytes: Vec<u8> = blocks.flat_map(u32::to_le_bytes).collect();
        bytes.try_into().expect("as many blocks as an image has")
    };
    let label = |index| i64::from(below(block(seed, index, BLOCKS_PER_IMAGE, BATCH)[0], 10));
    ((0..count).map(image).collect(), (0..count).map(label).collect())
}

/// What the network is given for images: normalised, `[n, 3, 32, 32]` in memory with the channels last.
pub fn normalised(images: &[[u8; IMAGE_BYTES]]) -> Tensor {
    let normaliser = Normaliser::new(&spec());
    let mut pixels = vec![0.0; images.len() * IMAGE_BYTES];
    for (image, pixels) in images.iter().zip(pixels.chunks_exact_mut(IMAGE_BYTES)) {
        normaliser.planes(image, pixels);
    }
    Tensor::from_slice(&pixels).view([images.len() as i64, 32, 32, 3]).permute([0, 3, 1, 2])
}

/// Normalisations as after some training: scales and variances in [0.5, 1.5), shifts and means in [-0.5, 0.5).
///
/// The scale that ends a block's branch is an eighth of that. At random weights, a deep network with large branches
/// blows rounding errors up a thousandfold when it normalises by the batch.
pub fn perturb(layout: &Layout, seed: u64, parameters: &mut [f32], statistics: &mut [f32]) {
    for (index, entry) in layout.entries().iter().enumerate() {
        if entry.shape.len() != 1 || entry.name.starts_with("classifer") {
            continue;
        }
        let buffer = if entry.role.buffer() == Some(Buffer::Parameters) { &mut *parameters } else { &mut *statistics };
        let positive = entry.name.ends_with(".weight") || entry.name.ends_with(".running_var");
        let base = if positive { 0.5 } else { -0.5 };
        let ends_branch = ["features.4.weight", "features.7.weight"].iter().any(|end| entry.name.ends_with(end));
        let scale = if ends_branch { 0.125 } else { 1.0 };
        let values = &mut buffer[entry.offset..entry.offset + entry.elements()];
        for (place, group) in values.chunks_mut(4).enumerate() {
            let bits = block(seed, index as u32, place as u32, PERTURBATION);
            for (value, bits) in group.iter_mut().zip(bits) {
                *value = (unit(bits) + base) * scale;
            }
        }
    }
}
