"""Makes sgd.json: three steps of SGD by PyTorch on one batch of 8 images.

    python tests/golden/sgd.py

Weights (the initial ones of `seed`, then perturbed normalisations of the same seed) and batch (of `batch_seed`; without
crops and flips) are drawn by drawn.py, and in Rust by crates/testkit/src/drawn.rs. fp32 in channels last on one
thread, in training mode, with PyTorch 2.13.0 on a CPU; the whole batch is one shard. In the file:

    model, seed, batch_seed, images, options, steps    what was done; `options` are those of torch.optim.SGD
    labels      those of the images
    losses      of each step before its update: the mean cross-entropy of the batch
    state       after the last step, each tensor of the state dict under its name, in order
    momentum    after the last step, each parameter's momentum buffer under the parameter's name, in order

A tensor is {"sum": s, "norm": n, "first": [...]}: the sum and the L2 norm of its values, added in f64, and its first
values, four or as many as it has, row-major in the shape of the state dict, as the shortest decimals that stand for
the f32. Sums cancel: compare them as a share of norm * sqrt(count).

`python tests/golden/sgd.py --spread` prints what rounding and what mistakes in the arithmetic make of it. The seeds are
such that no input of a ReLU is so near zero that rounding moves it across. From plain initial weights some are, and
then the state after three steps differs by percents from machine to machine.
"""

import argparse
import json
from pathlib import Path

import torch
from torch import nn

import drawn
from article_resnet import ZOO

MODEL, SEED, BATCH_SEED, IMAGES, STEPS = "resnet20", 0, 28, 8, 3
OPTIONS = {"lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4}


def train(dtype=torch.float32, memory_format=torch.channels_last, **options):
    """Losses, state dict and momentum after the steps."""
    model = ZOO[MODEL]()
    drawn.initialise(model, SEED)
    drawn.perturb(model, SEED)
    model = model.to(dtype=dtype, memory_format=memory_format).train()
    pixels, labels = drawn.batch(BATCH_SEED, IMAGES)
    images = drawn.normalise(pixels).to(dtype=dtype, memory_format=memory_format)
    optimizer = torch.optim.SGD(model.parameters(), **OPTIONS | options)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    momentum = {name: optimizer.state[p]["momentum_buffer"] for name, p in model.named_parameters()}
    return losses, model.state_dict(), momentum


def describe(tensor):
    values = tensor.detach().contiguous().flatten()
    exact = values.double()
    return {"sum": exact.sum().item(), "norm": exact.norm().item(), "first": drawn.shortest(values[:4])}


def print_spread():
    losses, state, momentum = train()
    runs = {
        "f64": {"dtype": torch.float64},
        "channels first": {"memory_format": torch.contiguous_format},
        "no weight decay": {"weight_decay": 0.0},
        "Nesterov's momentum": {"nesterov": True},
    }
    for label, options in runs.items():
        other_losses, other_state, other_momentum = train(**options)
        loss = max(abs(a - b) / abs(b) for a, b in zip(losses, other_losses))
        differences = [loss]
        for ours, theirs in ((state, other_state), (momentum, other_momentum)):
            pairs = [(ours[key].double(), theirs[key].double()) for key in ours]
            differences.append(max(((a - b).norm() / b.norm()).item() for a, b in pairs))
        print("{}: losses {:.1e}, state {:.1e}, momentum {:.1e}".format(label, *differences))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--spread", action="store_true", help="print differences, and write nothing")
    torch.set_num_threads(1)
    if parser.parse_args().spread:
        print_spread()
        return
    losses, state, momentum = train()
    head = {"torch": torch.__version__.split("+")[0], "model": MODEL, "seed": SEED, "batch_seed": BATCH_SEED}
    head |= {"images": IMAGES, "labels": drawn.batch(BATCH_SEED, IMAGES)[1].tolist()}
    head |= {"options": OPTIONS, "steps": STEPS, "losses": drawn.shortest(losses)}
    lines = [f'  "{key}": {json.dumps(value)}' for key, value in head.items()]
    for key, tensors in (("state", state), ("momentum", momentum)):
        rows = [f'    "{name}": {json.dumps(describe(tensor))}' for name, tensor in tensors.items()]
        lines.append(f'  "{key}": {{\n' + ",\n".join(rows) + "\n  }")
    path = Path(__file__).with_suffix(".json")
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
