"""Traces of PyTorch's schedulers: `python schedules.py > schedules.json`, with torch 2.13."""
import json, math, torch
from torch.optim import lr_scheduler as S

def optimizer(lr):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)

def text(x):
    return float(x).hex()

def plateau(name, lr, metrics, **options):
    o = optimizer(lr); s = S.ReduceLROnPlateau(o, **options); rates = []
    for m in metrics:
        s.step(m); rates.append(text(o.param_groups[0]["lr"]))
    full = dict(mode="min", factor=0.1, patience=10, threshold=1e-4, threshold_mode="rel", cooldown=0, min_lr=0.0, eps=1e-8) | options
    return dict(name=name, lr=text(lr), options=full, metrics=[str(m) for m in metrics], rates=rates)

nan, inf = math.nan, math.inf
plateaus = [
    plateau("falling, then flat", 0.1, [2, 1.5, 1.2] + [1.2] * 20, factor=0.5, patience=5, min_lr=1e-6),
    plateau("NaN first", 0.1, [nan, nan, 1.0, nan, nan, nan], patience=1),
    plateau("infinity", 0.1, [inf, inf, 1.0, inf, inf], patience=0),
    plateau("ties", 0.1, [1.0] * 12, patience=0, factor=0.5),
    plateau("exactly the threshold", 0.1, [1.0, 1.0 * (1 - 1e-4), 0.9998, 0.9997, 0.99965], patience=0),
    plateau("cooldown", 0.1, [1.0] * 16, patience=1, cooldown=2),
    plateau("cooldown with improvements", 0.1, [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.4, 0.4, 0.4, 0.4], patience=1, cooldown=3),
    plateau("min-lr", 0.1, [1.0] * 9, patience=0, min_lr=5e-3),
    plateau("min-lr above the rate", 1e-3, [1.0] * 5, patience=0, min_lr=1e-2),
    plateau("eps keeps tiny rates", 1e-8, [1.0] * 4, patience=0),
    plateau("just above eps", 1.2e-8, [1.0] * 4, patience=0),
    plateau("accuracy", 0.1, [0.1, 0.3, 0.3, 0.30001, 0.4, 0.4, 0.4], mode="max", patience=1),
    plateau("negative, max", 0.1, [-1.0, -1.0, -1.0, -1.0], mode="max", patience=0),
    plateau("absolute", 0.1, [1.0, 0.95, 0.94, 0.80, 0.75], threshold_mode="abs", threshold=0.1, patience=0),
    plateau("absolute, max", 0.1, [0.1, 0.15, 0.25, 0.36, 0.4], mode="max", threshold_mode="abs", threshold=0.1, patience=0),
    plateau("zero", 0.1, [0.0, 0.0, -1e-9, -1e-9], patience=0),
]

def epochs(make, lr, n):
    o = optimizer(lr); s = make(o); rates = [text(o.param_groups[0]["lr"])]
    for _ in range(n):
        o.step(); s.step(); rates.append(text(o.param_groups[0]["lr"]))
    return rates

def one_cycle(lr, steps, **options):
    o = optimizer(lr); s = S.OneCycleLR(o, max_lr=lr, total_steps=steps, cycle_momentum=False, **options); rates = [text(o.param_groups[0]["lr"])]
    for _ in range(steps - 1):
        o.step(); s.step(); rates.append(text(o.param_groups[0]["lr"]))
    return rates

json.dump(dict(
    plateau=plateaus,
    multistep=dict(milestones=[3, 5, 5, 9], gamma=0.1, lr=text(0.1), rates=epochs(lambda o: S.MultiStepLR(o, [3, 5, 5, 9], 0.1), 0.1, 12)),
    cosine=dict(total=20, min_lr=1e-4, lr=text(0.1), rates=epochs(lambda o: S.CosineAnnealingLR(o, 20, 1e-4), 0.1, 20)),
    linear=dict(total=20, min_lr=1e-4, lr=text(0.1), rates=epochs(lambda o: S.LinearLR(o, 1.0, 1e-4 / 0.1, 20), 0.1, 20)),
    one_cycle=dict(lr=text(0.1), epochs=4, steps=25, rates=one_cycle(0.1, 100)),
    one_cycle_linear=dict(lr=text(0.4), epochs=4, steps=25, rates=one_cycle(0.4, 100, pct_start=0.2, anneal_strategy="linear")),
), __import__("sys").stdout, indent=1)
