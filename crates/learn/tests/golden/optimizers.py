"""Traces of PyTorch's optimisers: `python optimizers.py > optimizers.json`, with torch 2.13."""
import json, torch

torch.manual_seed(5)
ELEMENTS, RATES = 37, [0.1, 0.1, 0.05, 0.2, 0.01]
start = torch.randn(ELEMENTS)
gradients = [torch.randn(ELEMENTS) for _ in RATES]

def trace(make, **options):
    parameter = torch.nn.Parameter(start.clone())
    optimizer = make([parameter], lr=1.0, **options)
    steps = []
    for rate, gradient in zip(RATES, gradients):
        optimizer.param_groups[0]["lr"] = rate
        parameter.grad = gradient.clone()
        optimizer.step()
        steps.append(parameter.detach().tolist())
    slots = {key: value.tolist() for key, value in optimizer.state[parameter].items() if torch.is_tensor(value) and value.numel() > 1}
    return dict(options=options, steps=steps, slots=slots)

print(json.dumps(dict(
    rates=RATES, start=start.tolist(), gradients=[gradient.tolist() for gradient in gradients],
    sgd=trace(torch.optim.SGD, momentum=0.9, weight_decay=5e-4),
    nesterov=trace(torch.optim.SGD, momentum=0.8, weight_decay=1e-2, nesterov=True),
    adamw=trace(torch.optim.AdamW, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2),
    adamw_other=trace(torch.optim.AdamW, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.0),
)))
