"""Every inverse on Hessians with condition numbers from 100 to a million, in both
precisions, with losses and inputs scaled, with and without a point far from all others:
it keeps its promise, or says that it cannot. Never a wrong number in silence. And a fit
to an optimum finds the same parameters, whatever loss and inputs are counted in.

Run by `make test`. Prints every case that is wrong, and a count.
"""
import copy
import itertools
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from influence_nb import (LossOfParameters, TorchMLP, fit_to_optimum,  # noqa: E402
                          leave_one_out, relative_error)
from influence_nb.objective import regularized_objective  # noqa: E402
from influence_nb.shared_checks import (hard_case, hard_methods,  # noqa: E402
                                        hard_outcome)

CONDITIONS, DTYPES = (1e2, 1e4, 1e6), (torch.float64, torch.float32)
LOSSES, INPUTS, OUTLIER = (1e-20, 1.0, 1e20), (1e-6, 1.0, 1e6), (False, True)


def parameters_of(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def started(case):
    "A case whose model is not trained yet"
    torch.manual_seed(0)
    model = nn.Linear(6, 1, bias=False, dtype=case.train[0].dtype)
    return case._replace(model=model)


def fit_outcome(case, loss_scale):
    """Linear regression: what is left of the gradient, over what it is made of, must be
    rounding. (The parameters themselves may differ by κ times that.)"""
    case, optimum = started(case), None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        optimum = fit_to_optimum(case.model, case.loss, *case.train, case.damping)
    if not optimum.converged: return f"loud: {optimum}"
    x, y = (part.double() for part in case.train)
    w, lam = case.model.weight.detach().double()[0], case.damping / loss_scale
    terms = 2 * x.T * (x @ w - y[:, 0]) / len(x)
    made_of = terms.abs().sum(1) + lam * w.abs()
    made_of = made_of + 2 * (x.T @ x).abs() @ w.abs() / len(x)
    left = ((terms.sum(1) + lam * w).abs() / made_of).max().item()
    limit = 1e-9 if case.train[0].dtype == torch.float64 else 1e-4
    return "right" if left <= limit else f"wrong: {left:.1e} of the gradient is left"


def small_problems(dtype):
    "Name → (model, loss, x, y, λ): what is no parabola, and what begins with L-BFGS"
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(60, 4, generator=generator).double()
    noise = torch.randn(60, 3, generator=generator).double()
    kinds = (x[:, :3] + noise).argmax(1)
    torch.manual_seed(1)
    x, total = x.to(dtype), (x.sum(1, keepdim=True) + noise[:, :1]).to(dtype)
    return {"softmax": (nn.Linear(4, 3, dtype=dtype), F.cross_entropy, x, kinds, 1e-2),
            "softmax, no penalty": (nn.Linear(4, 3, dtype=dtype), F.cross_entropy, x,
                                    kinds, 0.0),
            "line, no penalty": (nn.Linear(4, 1, dtype=dtype), F.mse_loss, x, total,
                                 0.0),
            "network": (TorchMLP([4, 5, 3], dtype=dtype), F.cross_entropy, x, kinds,
                        0.1),
            "wide network": (TorchMLP([4, 64, 3], dtype=dtype), F.cross_entropy, x,
                             kinds,
                             0.1)}


def same_fit(model, loss, x, y, lam, scale):
    "The parameters that a scaled loss leads to, and leave-one-out, beside the unscaled"
    def scaled(outputs, y): return scale * loss(outputs, y)
    found = []
    for factor, function in ((1.0, loss), (scale, scaled)):
        trained = copy.deepcopy(model)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fit_to_optimum(trained, function, x, y, factor * lam)
            changes = torch.zeros(1)
            if len(parameters_of(trained)) < 100:
                changes = leave_one_out(trained, function, x, y, x[:4], y[:4], range(2),
                                        factor * lam) / factor
        if caught: return f"loud: {caught[0].message}"
        # a softmax without a penalty has a direction along which nothing changes
        found.append((trained(x).detach().log_softmax(1) if loss is F.cross_entropy
                      else parameters_of(trained), changes))
    error = max(relative_error(a, b) for a, b in zip(*found))
    return "right" if error <= (1e-6 if x.dtype == torch.float64 else 1e-2) else (
        f"wrong: {error:.1e}")


def in_other_units(dtype, scale):
    "A logistic regression whose inputs are counted in another unit; θ and λ with them"
    generator, found = torch.Generator().manual_seed(0), []
    x = torch.randn(80, 4, generator=generator).double()
    y = (x.sum(1) + torch.randn(80, generator=generator) > 0).to(dtype)[:, None]
    for unit in (1.0, scale):
        torch.manual_seed(0)
        model = nn.Linear(4, 1, bias=False, dtype=dtype)
        optimum = fit_to_optimum(model, F.binary_cross_entropy_with_logits,
                                 (unit * x).to(dtype), y, 0.05 * unit**2)
        if not optimum.converged: return f"loud: {optimum}"
        found.append(unit * parameters_of(model).double())
    error = relative_error(found[1], found[0])
    return "right" if error <= (1e-8 if dtype == torch.float64 else 1e-4) else (
        f"wrong: {error:.1e}")


def is_minimum(R, theta):
    "Whether nothing is lower nearby: no gradient, and curvature upward everywhere"
    size = R(theta).abs() * torch.linalg.vector_norm(theta)
    g, H = torch.func.grad(R)(theta), torch.func.hessian(R)(theta)
    return bool(g.norm() <= 1e-9 * size and torch.linalg.eigvalsh(H)[0] > 0)


def one_of_many_minima(seed, scale):
    """A wide network has many minima, and a scaled loss may lead to another of them
    (L-BFGS begins with another step). Whatever is called converged is a minimum"""
    _, _, x, y, lam = small_problems(torch.float64)["wide network"]
    torch.manual_seed(seed)
    model = TorchMLP([4, 80, 3])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        optimum = fit_to_optimum(model, lambda outputs, y: scale * F.cross_entropy(
            outputs, y), x, y, scale * lam)
    R = regularized_objective(LossOfParameters(model, F.cross_entropy), x, y, lam)
    if not optimum.converged: return f"loud: {optimum}"
    return "right" if is_minimum(R, parameters_of(model)) else "wrong: no minimum"


# Of a condition of a million, with an outlier on top, in single precision: the Hessian
# holds no more of its small eigenvalues. In three cases the loss still falls by a sixth
# at each of the last of fifty steps; in the one with small inputs no part of a step
# helps any more. A fit that is not at rest may be loud there, and nowhere else.
STILL_FALLING = {(1e-20, 1e6), (1.0, 1e6), (1e20, 1e-6), (1e20, 1e6)}


def fits():
    "Every outcome of a fit: (name, what was asked, outcome)"
    for dtype, scale in itertools.product(DTYPES, (1e-9, 1e-6, 1e-3, 1e3, 1e6, 1e9)):
        yield ("fit_to_optimum", f"logistic, {dtype}, inputs × {scale:g}",
               in_other_units(dtype, scale))
    for seed, scale in itertools.product(range(3), (1e-3, 1.0)):
        yield ("a minimum", f"wide network, seed {seed}, loss × {scale:g}",
               one_of_many_minima(seed, scale))
    for condition, dtype, loss_scale, input_scale, outlier in itertools.product(
            CONDITIONS, DTYPES, LOSSES, INPUTS, OUTLIER):
        case = hard_case(condition, dtype, loss_scale=loss_scale,
                         input_scale=input_scale, outlier=outlier)
        beyond = (outlier and condition == 1e6 and dtype == torch.float32
                  and (loss_scale, input_scale) in STILL_FALLING)
        yield ("fit in vain" if beyond else "fit_to_optimum", f"{dtype}, {case.name}",
               fit_outcome(case, loss_scale))
    for dtype, scale in itertools.product(DTYPES, (1e-20, 1e-6, 1e6, 1e20)):
        for name, problem in small_problems(dtype).items():
            what = f"{name}, {dtype}, × {scale:g}"
            yield "the same fit", what, same_fit(*problem, scale)


def main():
    start, tally = time.time(), Counter()
    torch.set_num_threads(1)
    for name, asked, outcome in fits():
        tally[name, outcome.split(":")[0]] += 1
        if outcome != "right": print(f"{name}, {asked}: {outcome}")
    sweep = itertools.product(CONDITIONS, DTYPES, LOSSES, INPUTS, OUTLIER)
    for condition, dtype, loss_scale, input_scale, outlier in sweep:
        case = hard_case(condition, dtype, loss_scale=loss_scale,
                         input_scale=input_scale, outlier=outlier)
        for name, (make, *promise) in hard_methods(dtype).items():
            outcome = hard_outcome(make, case, loss_scale, *promise)
            tally[name, outcome.split(":")[0]] += 1
            if outcome.startswith("wrong"):
                print(f"{name}, {dtype}, {case.name}: {outcome}")
    for (name, outcome), count in sorted(tally.items()):
        print(f"{count:4}  {outcome:6} {name}")
    wrong = sum(count for (name, outcome), count in tally.items() if outcome == "wrong"
                or outcome == "loud" and name in ("fit_to_optimum", "the same fit",
                                                  "a minimum"))
    print(f"{sum(tally.values())} cases in {time.time() - start:.0f} s, {wrong} wrong")
    return not wrong


if __name__ == "__main__": sys.exit(not main())
