"""Makes the optimizer golden with PyTorch (AdamW, clip_grad_norm_) and the schedules with fastai and the paper's formula.

Needs only what requirements.txt names: python optimizer.py
"""

import json
import math

import torch
from fastai.callback.schedule import SchedCos, combined_cos
from fastai.optimizer import Adam

from common import GOLDEN, prefixed, save_golden, set_up, uniform

SEED, STEPS = 2018, 10
SHAPES = {"matrix": (3, 4), "vector": (5,), "single": (1,)}
# Two groups, for discriminative rates; 2.6 is the paper's divisor.
RATE_FACTORS = {"matrix": 1.0, "vector": 1 / 2.6, "single": 1 / 2.6}
RATE, BETA1, BETA2, EPSILON, WEIGHT_DECAY = 0.01, 0.7, 0.99, 1e-8, 0.01
CLIP_MAXIMA = {"below": 0.25, "above": 25.0}

# The AWD-LSTM repository's way: plain descent, and from a validation on that is not better, PyTorch's ASGD with these settings.
DESCENT = {"rate": 0.5, "weightDecay": 0.125, "plainSteps": 4, "averagedSteps": 8}
VALIDATION_LOSSES = [5.0, 4.6, 4.5, 4.4, 4.3, 4.35, 4.34, 4.33, 4.31, 4.305, 4.301, 4.32, 4.2]
NON_MONOTONE_INTERVAL = 5

PEAK_RATE = 0.01
# The momenta are those of fastai's text learners; `fit_one_cycle` itself has .95, .85, .95.
SLANTED = {"steps": 1000, "cutFraction": 0.1, "ratio": 32}
ONE_CYCLE = {"steps": 100, "warmFraction": 0.25, "startRatio": 25, "finalRatio": 1e5, "momenta": [0.8, 0.7, 0.8]}
COSINE = {"steps": 100}


def slanted_triangular(step: int) -> float:
    """Howard & Ruder 2018, equation 3."""
    cut = math.floor(SLANTED["steps"] * SLANTED["cutFraction"])
    if step < cut:
        p = step / cut
    else:
        p = 1 - (step - cut) / (cut * (1 / SLANTED["cutFraction"] - 1))
    return PEAK_RATE * (1 + p * (SLANTED["ratio"] - 1)) / SLANTED["ratio"]


def one_cycle(low: float, high: float, final: float, steps: int = ONE_CYCLE["steps"]) -> list[float]:
    """fastai's two cosines in float64, checked against fastai's own, which loses digits in a float32 position."""
    warm, fastai = ONE_CYCLE["warmFraction"], combined_cos(ONE_CYCLE["warmFraction"], low, high, final)
    values = []
    for step in range(steps):
        position = step / steps
        start, end, share = (low, high, position / warm) if position < warm else (high, final, (position - warm) / (1 - warm))
        values.append(start + (1 + math.cos(math.pi * (1 - share))) * (end - start) / 2)
        assert abs(values[-1] - fastai(position)) < 1e-7 * high
    return values


def cosine() -> list[float]:
    """PyTorch's CosineAnnealingLR down to 0, with fastai's SchedCos beside it."""
    steps, parameter = COSINE["steps"], torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=PEAK_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    values, fastai = [], SchedCos(PEAK_RATE, 0.0)
    for step in range(steps):
        values.append(fastai(step / steps))
        assert abs(values[-1] - schedule.get_last_lr()[0]) < 1e-15
        optimizer.step()
        schedule.step()
    return values


def make_schedules() -> None:
    rates = one_cycle(PEAK_RATE / ONE_CYCLE["startRatio"], PEAK_RATE, PEAK_RATE / ONE_CYCLE["finalRatio"])
    schedules = {
        "slantedTriangular": {**SLANTED, "peakRate": PEAK_RATE, "rates": [slanted_triangular(t) for t in range(SLANTED["steps"])]},
        "oneCycle": {**ONE_CYCLE, "peakRate": PEAK_RATE, "rates": rates, "momentaByStep": one_cycle(*ONE_CYCLE["momenta"])},
        "cosine": {**COSINE, "peakRate": PEAK_RATE, "rates": cosine()},
    }
    path = GOLDEN / "schedules.json"
    path.write_text(json.dumps(schedules, indent=1) + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes")


def step_settings() -> dict[str, list[dict[str, float]]]:
    """Rate and beta 1 of every step: once held, once as fastai's one cycle of ten steps moves them."""
    held = [{"rate": RATE, "beta1": BETA1} for _ in range(STEPS)]
    rates = one_cycle(RATE / ONE_CYCLE["startRatio"], RATE, RATE / ONE_CYCLE["finalRatio"], STEPS)
    momenta = one_cycle(*ONE_CYCLE["momenta"], STEPS)
    moving = [{"rate": rate, "beta1": momentum} for rate, momentum in zip(rates, momenta, strict=True)]
    return {"held": held, "moving": moving}


def run_adam(start, gradients, settings) -> dict[str, torch.Tensor]:
    """PyTorch's AdamW, with fastai's decoupled Adam running beside it to the same numbers."""
    ours = {name: value.clone().requires_grad_() for name, value in start.items()}
    theirs = {name: value.clone().requires_grad_() for name, value in start.items()}
    optimizer = torch.optim.AdamW(
        [{"params": [parameter], "name": name} for name, parameter in ours.items()],
        lr=RATE, betas=(BETA1, BETA2), eps=EPSILON, weight_decay=WEIGHT_DECAY,
    )
    fastai = Adam([[parameter] for parameter in theirs.values()], lr=RATE, sqr_mom=BETA2, eps=EPSILON, wd=WEIGHT_DECAY)
    result = {}
    for step, (given, setting) in enumerate(zip(gradients, settings, strict=True)):
        for group in optimizer.param_groups:
            group["lr"] = setting["rate"] * RATE_FACTORS[group["name"]]
            group["betas"] = (setting["beta1"], BETA2)
        fastai.set_hyper("lr", [setting["rate"] * RATE_FACTORS[name] for name in theirs])
        fastai.set_hyper("mom", setting["beta1"])
        for name, gradient in given.items():
            ours[name].grad, theirs[name].grad = gradient.clone(), gradient.clone()
        optimizer.step()
        fastai.step()
        for name, parameter in ours.items():
            torch.testing.assert_close(parameter, theirs[name], rtol=1e-12, atol=1e-12)
            result[f"{step}.{name}"] = parameter.detach().clone()
    for name, parameter in ours.items():
        result[f"first.{name}"] = optimizer.state[parameter]["exp_avg"]
        result[f"second.{name}"] = optimizer.state[parameter]["exp_avg_sq"]
    return result


def averages_from(losses: list[float]) -> int | None:
    """The validation, counted from 0, after which the AWD-LSTM repository's main.py changes to ASGD: its loss is above the least
    of those that are more than NON_MONOTONE_INTERVAL validations older."""
    before = []
    for number, loss in enumerate(losses):
        if len(before) > NON_MONOTONE_INTERVAL and loss > min(before[:-NON_MONOTONE_INTERVAL]):
            return number
        before.append(loss)
    return None


def make_descent_golden(generator: torch.Generator) -> None:
    """PyTorch's SGD, then its ASGD with t0 = 0 and lambd = 0: parameters after every step, and their averages."""
    start = {name: uniform(generator, shape, -1.0, 1.0) for name, shape in SHAPES.items()}
    steps = DESCENT["plainSteps"] + DESCENT["averagedSteps"]
    gradients = [{name: uniform(generator, shape, -1.0, 1.0) for name, shape in SHAPES.items()} for _ in range(steps)]
    parameters = {name: value.clone().requires_grad_() for name, value in start.items()}
    shared = {"lr": DESCENT["rate"], "weight_decay": DESCENT["weightDecay"]}
    optimizer = torch.optim.SGD(parameters.values(), **shared)
    tensors = prefixed("start", start)
    for step, given in enumerate(gradients):
        if step == DESCENT["plainSteps"]:
            optimizer = torch.optim.ASGD(parameters.values(), **shared, lambd=0.0, t0=0)
        for name, parameter in parameters.items():
            parameter.grad = given[name].clone()
        optimizer.step()
        tensors |= prefixed(f"given.{step}", given)
        tensors |= prefixed(f"after.{step}", {name: parameter.detach().clone() for name, parameter in parameters.items()})
        if step >= DESCENT["plainSteps"]:
            tensors |= prefixed(f"average.{step}", {name: optimizer.state[p]["ax"].clone() for name, p in parameters.items()})
    trigger = {"losses": VALIDATION_LOSSES, "interval": NON_MONOTONE_INTERVAL, "averagesFrom": averages_from(VALIDATION_LOSSES)}
    save_golden("averaged-sgd", tensors, {**DESCENT, "trigger": trigger})


def clip(gradients: dict[str, torch.Tensor], maximum: float) -> tuple[dict[str, torch.Tensor], float]:
    parameters = {name: torch.zeros_like(gradient).requires_grad_() for name, gradient in gradients.items()}
    for name, parameter in parameters.items():
        parameter.grad = gradients[name].clone()
    norm = torch.nn.utils.clip_grad_norm_(parameters.values(), maximum)
    return {name: parameter.grad for name, parameter in parameters.items()}, norm.item()


def make_golden() -> None:
    generator = set_up(SEED)
    start = {name: uniform(generator, shape, -1.0, 1.0) for name, shape in SHAPES.items()}
    gradients = [{name: uniform(generator, shape, -1.0, 1.0) for name, shape in SHAPES.items()} for _ in range(STEPS)]
    for given in gradients:
        given["vector"][2] = 0.0  # never moved by its gradient: weight decay alone
    tensors = prefixed("start", start)
    for step, given in enumerate(gradients):
        tensors |= prefixed(f"given.{step}", given)
    for name, settings in step_settings().items():
        tensors |= prefixed(name, run_adam(start, gradients, settings))
    norm = 0.0
    for name, maximum in CLIP_MAXIMA.items():
        clipped, norm = clip(gradients[0], maximum)
        tensors |= prefixed(f"clip.{name}", clipped)
    facts = {
        "steps": STEPS, "settings": step_settings(), "rateFactors": RATE_FACTORS, "beta2": BETA2, "epsilon": EPSILON,
        "weightDecay": WEIGHT_DECAY, "clipMaxima": CLIP_MAXIMA, "clipNorm": norm,
    }
    save_golden("optimizer", tensors, facts)


if __name__ == "__main__":
    make_golden()
    make_descent_golden(set_up(SEED + 1))
    make_schedules()
