"""Loads a checkpoint into the article's module: `python load_checkpoint.py DIR --model resnet20 --pixels FILE`.

FILE holds images of 3072 bytes, planes of red, green and blue, as in the data set. Prints one JSON object: the number of
parameters, the steps counted by the normalisations, and the logits of the images in eval mode, in fp32.
"""
import argparse, json, pathlib

import numpy, torch
from safetensors.torch import load_file

from article_resnet import ZOO

parser = argparse.ArgumentParser()
parser.add_argument("checkpoint", type=pathlib.Path)
parser.add_argument("--model", required=True)
parser.add_argument("--pixels", type=pathlib.Path, required=True)
arguments = parser.parse_args()

module = ZOO[arguments.model]().eval()
module.load_state_dict(load_file(arguments.checkpoint / "model.safetensors"), strict=True)
pixels = numpy.fromfile(arguments.pixels, dtype=numpy.uint8).reshape(-1, 3, 32, 32)
with torch.no_grad():
    logits = module((torch.from_numpy(pixels).float() / 255 - 0.5) / 0.5)
print(json.dumps({
    "parameters": sum(parameter.numel() for parameter in module.parameters()),
    "num_batches_tracked": int(module.state_dict()["features.1.num_batches_tracked"]),
    "logits": logits.tolist(),
}))
