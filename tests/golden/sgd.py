"""Makes sgd.json: three steps of SGD by PyTorch, from the weights with which a run begins, on one batch of 8 images.

    python tests/golden/sgd.py

Weights and batch are drawn from `seed` (see drawn.py; in Rust, `batch` and `normalised` of
crates/resnet/tests/common/mod.rs), without crops and flips and without perturbed normalisations. fp32 in channels last
on one thread, with PyTorch 2.13.0 for CPUs; the whole batch is one shard. In the file:

    model, seed, images, lr, momentum, weight_decay, steps    what was done
    losses     of each step before its update: the mean cross-entropy of the batch
    state      after the last step, each tensor of the state dict in its order, under its name
    momentum   after the last step, each parameter's momentum buffer in the same order, under the parameter's name

A tensor is {"sum": s, "norm": n, "first": [...]}: the sum and the L2 norm of its values, added in f64, and its first
values, four or as many as it has, row-major in the shape of the state dict, as the shortest decimals that stand for
the f32.

What rounding makes of it (`python tests/golden/sgd.py --spread` runs the steps in f64, and on two threads in the other
memory layout): SPREAD
"""

import argparse
import json
from pathlib import Path

import torch
from torch import nn

import drawn
from article_resnet import ZOO

MODEL, SEED, IMAGES, STEPS = "resnet20", 0, 8, 3
OPTIMIZER = {"lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4}


def train(dtype=torch.float32, memory_format=torch.channels_last, threads=1):
    """Losses, state dict and momentum after the steps."""
    torch.set_num_threads(threads)
    model = ZOO[MODEL]()
    drawn.initialise(model, SEED)
    model = model.to(dtype=dtype, memory_format=memory_format).train()
    pixels, labels = drawn.batch(SEED, IMAGES)
    images = drawn.normalise(pixels).to(dtype=dtype, memory_format=memory_format)
    optimizer = torch.optim.SGD(model.parameters(), **OPTIMIZER)
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
    runs = {"f64": {"dtype": torch.float64}, "other layout": {"memory_format": torch.contiguous_format, "threads": 2}}
    for label, options in runs.items():
        other_losses, other_state, other_momentum = train(**options)
        loss = max(abs(a - b) / abs(b) for a, b in zip(losses, other_losses))
        worst = {"state": (state, other_state), "momentum": (momentum, other_momentum)}
        for name, (ours, theirs) in worst.items():
            pairs = [(ours[key].double(), theirs[key].double()) for key in ours]
            worst[name] = max(((a - b).norm() / b.norm()).item() for a, b in pairs)
        print(f"{label}: losses {loss:.1e}, state {worst['state']:.1e}, momentum {worst['momentum']:.1e}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--spread", action="store_true", help="print what rounding comes to, and write nothing")
    if parser.parse_args().spread:
        print_spread()
        return
    losses, state, momentum = train()
    head = {"torch": torch.__version__.split("+")[0], "model": MODEL, "seed": SEED, "images": IMAGES}
    head |= OPTIMIZER | {"steps": STEPS, "losses": drawn.shortest(losses)}
    lines = [f'  "{key}": {json.dumps(value)}' for key, value in head.items()]
    for key, tensors in (("state", state), ("momentum", momentum)):
        rows = [f'    "{name}": {json.dumps(describe(tensor))}' for name, tensor in tensors.items()]
        lines.append(f'  "{key}": {{\n' + ",\n".join(rows) + "\n  }")
    path = Path(__file__).with_suffix(".json")
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
