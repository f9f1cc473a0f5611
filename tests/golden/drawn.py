"""Weights and batches that Python and Rust draw alike, so that none of them has to be kept.

The generator is that of crates/plan/src/random.rs, the initial weights those of crates/resnet/src/init.rs; all else has
its twin in crates/testkit/src/drawn.rs. Whoever changes one changes the other.
"""

import hashlib

import numpy as np
import torch

# The last word of the counter says what numbers are for. The product's own purposes are 0 to 2.
INIT, PERTURBATION, BATCH = 2, 16, 17

IMAGE_BYTES = 3 * 32 * 32
# One block of Philox makes 16 bytes; the label comes from the block after the image's.
BLOCKS_PER_IMAGE = IMAGE_BYTES // 16


def philox(key, counter):
    """Philox 4x32-10 for a 64-bit key; each word of the counter is a number or an array. Returns uint32 [n, 4]."""
    low = np.uint64(0xFFFF_FFFF)
    shift = np.uint64(32)
    counter = [word.astype(np.uint64) for word in np.broadcast_arrays(*map(np.atleast_1d, counter))]
    keys = [key & 0xFFFF_FFFF, key >> 32]
    for _ in range(10):
        a = np.uint64(0xD251_1F53) * counter[0]
        b = np.uint64(0xCD9E_8D57) * counter[2]
        counter = [
            (b >> shift) ^ counter[1] ^ np.uint64(keys[0]), b & low,
            (a >> shift) ^ counter[3] ^ np.uint64(keys[1]), a & low,
        ]
        keys = [(keys[0] + 0x9E37_79B9) & 0xFFFF_FFFF, (keys[1] + 0xBB67_AE85) & 0xFFFF_FFFF]
    return np.stack(counter, axis=-1).astype(np.uint32)


def unit(bits):
    """Numbers in [0, 1), exact in f32."""
    return (bits >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def units(seed, purpose, index, count):
    """`count` of them for the tensor `index`."""
    places = np.arange((count + 3) // 4)
    return unit(philox(seed, [np.array(index), places, np.array(0), np.array(purpose)])).reshape(-1)[:count]


def initialise(model, seed):
    """The parameters with which a run of `seed` begins."""
    fan_in = 1
    with torch.no_grad():
        for index, (name, parameter) in enumerate(model.named_parameters()):
            if parameter.dim() == 1 and not name.startswith("classifer"):
                parameter.fill_(1.0 if name.endswith(".weight") else 0.0)
                continue
            if parameter.dim() > 1:
                fan_in = parameter[0].numel()
            bound = np.float32(1.0) / np.sqrt(np.float32(fan_in))
            values = (np.float32(2.0) * units(seed, INIT, index, parameter.numel()) - np.float32(1.0)) * bound
            parameter.copy_(torch.from_numpy(values).view(parameter.shape))


def perturb(model, seed):
    """Normalisations as after some training: scales and variances in [0.5, 1.5), shifts and means in [-0.5, 0.5).

    The scale that ends a block's branch is an eighth of that: at random weights, a deep network with large branches
    blows rounding errors up a thousandfold when it normalises by the batch.
    """
    with torch.no_grad():
        for index, (name, tensor) in enumerate(model.state_dict().items()):
            if tensor.dim() != 1 or name.startswith("classifer"):
                continue
            values = units(seed, PERTURBATION, index, tensor.numel())
            values += np.float32(0.5 if name.endswith((".weight", ".running_var")) else -0.5)
            if name.endswith(("features.4.weight", "features.7.weight")):
                values *= np.float32(0.125)
            tensor.copy_(torch.from_numpy(values))


def batch(seed, count):
    """Images as CIFAR-10 has them, bytes [count, 3, 32, 32], and labels."""
    image = np.arange(count)
    counter = [image[:, None], np.arange(BLOCKS_PER_IMAGE), np.array(0), np.array(BATCH)]
    pixels = philox(seed, counter).astype("<u4").view(np.uint8).reshape(count, 3, 32, 32)
    bits = philox(seed, [image, np.array(BLOCKS_PER_IMAGE), np.array(0), np.array(BATCH)])[:, 0]
    labels = (bits.astype(np.uint64) * np.uint64(10)) >> np.uint64(32)
    return pixels, torch.from_numpy(labels.astype(np.int64))


def normalise(pixels):
    """What the network is given for bytes [count, 3, 32, 32]: f32 from -1 to 1, in memory with the channels last."""
    values = (pixels.astype(np.float32) / np.float32(255.0) - np.float32(0.5)) / np.float32(0.5)
    return torch.from_numpy(values).contiguous(memory_format=torch.channels_last)


def sha256(tensors):
    """Of the bytes of f32 tensors, one after the other."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.detach().contiguous().numpy().astype("<f4"))
    return digest.hexdigest()


def statistics(model):
    """The running means and variances, in the order of the state dict."""
    return [(name, tensor) for name, tensor in model.named_buffers() if tensor.dim() == 1]


def shortest(values):
    """f32 values as the shortest decimals that stand for them."""
    return [float(str(value)) for value in np.asarray(values, dtype=np.float32).reshape(-1)]
