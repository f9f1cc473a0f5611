"""Loads a checkpoint into the article's module with strict=True, and computes with it.

    python tests/golden/load_checkpoint.py DIR --model resnet20 [--pixels FILE]

DIR holds model.safetensors; FILE holds images of 3072 bytes (channel, row, column), which are normalised with 0.5.
Prints one object: {"parameters": number, "num_batches_tracked": number, "logits": [row of 10 an image]}.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

import drawn
from article_resnet import ZOO


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("checkpoint", metavar="DIR", type=Path)
    parser.add_argument("--model", choices=ZOO, default="resnet20")
    parser.add_argument("--pixels", metavar="FILE", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)

    model = ZOO[args.model]()
    model.load_state_dict(load_file(args.checkpoint / "model.safetensors"), strict=True)
    model = model.to(memory_format=torch.channels_last).eval()
    counters = {int(t) for name, t in model.named_buffers() if name.endswith("num_batches_tracked")}
    if len(counters) != 1:
        raise SystemExit(f"num_batches_tracked is not the same everywhere: {sorted(counters)}")

    logits = []
    if args.pixels:
        data = args.pixels.read_bytes()
        if len(data) % drawn.IMAGE_BYTES:
            raise SystemExit(f"{args.pixels} has {len(data)} bytes, not a multiple of {drawn.IMAGE_BYTES}")
        pixels = np.frombuffer(data, dtype=np.uint8).reshape(-1, 3, 32, 32)
        with torch.no_grad():
            logits = [drawn.shortest(row) for row in model(drawn.normalise(pixels))]
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(json.dumps({"parameters": parameters, "num_batches_tracked": counters.pop(), "logits": logits}))


if __name__ == "__main__":
    main()
