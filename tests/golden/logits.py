"""Makes logits.json: what PyTorch computes with the article's module, for crates/network/tests/parity.rs.

    python tests/golden/logits.py

The weights are drawn from `seed` (see drawn.py), first as a run begins with them, then with perturbed normalisations;
the images and their `labels`, which nothing here computes with, likewise. For each model, and for ResNet-18 with the large
stem:

    parameters      their number
    state_dict      "NAME DTYPE SHAPE" of each tensor, in PyTorch's order; the shape as 64x3x3x3, empty for a scalar
    initial_sha256  of the initial parameters, f32, in order
    weights_sha256  of the perturbed parameters, then the running means and variances
    eval, train     logits, one row an image; `train` with the batch's own statistics
    running         after the forward pass of `train`, mean and root mean square of each running mean and variance

fp32 in channels last on one thread, with PyTorch 2.13.0 on a CPU.
"""

import json
from pathlib import Path

import torch

import drawn
from article_resnet import ZOO, with_large_stem

# Above 2^32, so that both words of the key count.
SEED = (1 << 32) + 7
IMAGES = 2


# Beside the models, one of them with the stem for larger images.
MAKERS = ZOO | {"resnet18-large": lambda: with_large_stem(ZOO["resnet18"]())}


def golden(name):
    model = MAKERS[name]()
    drawn.initialise(model, SEED)
    parameters = list(model.parameters())
    initial = drawn.sha256(parameters)
    drawn.perturb(model, SEED)
    entries = [
        f"{name} {str(tensor.dtype).removeprefix('torch.')} {'x'.join(map(str, tensor.shape))}".rstrip()
        for name, tensor in model.state_dict().items()
    ]
    weights = drawn.sha256(parameters + [tensor for _, tensor in drawn.statistics(model)])
    images = drawn.normalise(drawn.batch(SEED, IMAGES)[0])
    if name.endswith("-large"):
        # Each pixel four times, so that more than one value is left for the last normalisations.
        images = images.repeat_interleave(2, 2).repeat_interleave(2, 3).contiguous(memory_format=torch.channels_last)
    model = model.to(memory_format=torch.channels_last)
    with torch.no_grad():
        eval_logits = model.eval()(images)
        train_logits = model.train()(images)
    running = [tensor.double() for _, tensor in drawn.statistics(model)]
    return {
        "parameters": sum(parameter.numel() for parameter in parameters),
        "initial_sha256": initial,
        "weights_sha256": weights,
        "eval": [drawn.shortest(row) for row in eval_logits],
        "train": [drawn.shortest(row) for row in train_logits],
        "running": [[float(f"{figure:.8g}") for figure in (t.mean(), t.square().mean().sqrt())] for t in running],
        "state_dict": entries,
    }


def main():
    torch.set_num_threads(1)
    models = {name: golden(name) for name in MAKERS}
    head = {"torch": torch.__version__.split("+")[0], "seed": SEED, "images": IMAGES}
    head["labels"] = drawn.batch(SEED, IMAGES)[1].tolist()
    lines = [json.dumps(head)[:-1] + ', "models": {']
    for model, figures in models.items():
        fields = [f'    "{key}": {json.dumps(value)}' for key, value in figures.items()]
        lines += [f'  "{model}": {{', ",\n".join(fields), "  }" + ("" if model == list(models)[-1] else ",")]
    lines.append("}}")
    path = Path(__file__).with_suffix(".json")
    path.write_text("\n".join(lines) + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
