"""PyTorch's side of the kit's comparison: images a second of a training loop on one device, as people write it well.

The data lies on the device, and is cropped and flipped there. Channels last; bf16 by autocast; fused SGD; no waiting for
the device but once an epoch. `compiled` adds torch.compile. Prints the median of all epochs but the first.

The argument is JSON: [model, batch, images, epochs, precision, "eager" or "compiled", cpu, the kit's folder].
"""

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from article_resnet import ZOO


def crop_and_flip(images):
    """A crop of the images padded by 4, and a flip, of each drawn on the device."""
    count, size = len(images), images.shape[-1]
    padded = nn.functional.pad(images, (4, 4, 4, 4))
    tops = torch.randint(0, 9, (count, 1), device=images.device)
    lefts = torch.randint(0, 9, (count, 1), device=images.device)
    flips = torch.rand(count, 1, device=images.device) < 0.5
    across = torch.arange(size, device=images.device).expand(count, size)
    columns = torch.where(flips, size - 1 - across, across) + lefts
    rows = torch.arange(size, device=images.device) + tops
    at = torch.arange(count, device=images.device)[:, None, None]
    return padded[at, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def main():
    model, batch, images, epochs, precision, side, cpu, kit = json.loads(sys.argv[1])
    device = torch.device("cpu" if cpu else "cuda")
    if cpu:
        torch.set_num_threads(1)
    files = sorted(Path(kit, "data").rglob("data_batch_*.bin"))
    records = np.concatenate([np.fromfile(file, np.uint8).reshape(-1, 3073) for file in files])[:images]
    labels = torch.from_numpy(records[:, 0].astype(np.int64)).to(device)
    pixels = torch.from_numpy(records[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32)).to(device)
    pixels = (pixels / 255 - 0.5) / 0.5
    network = ZOO[model]().to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, fused=not cpu)
    step_of = network
    if side == "compiled":
        step_of = torch.compile(network)
    speeds = []
    for _ in range(epochs):
        network.train()
        order = torch.randperm(images, device=device)
        begin = time.perf_counter()
        total = torch.zeros((), device=device)
        for first in range(0, images, batch):
            chosen = order[first : first + batch]
            inputs = crop_and_flip(pixels[chosen]).contiguous(memory_format=torch.channels_last)
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                outputs = step_of(inputs)
            loss = nn.functional.cross_entropy(outputs.float(), labels[chosen])
            loss.backward()
            optimizer.step()
            total += loss.detach()
        total.item()
        speeds.append(images / (time.perf_counter() - begin))
    print(statistics.median(speeds[1:]))


if __name__ == "__main__":
    main()
