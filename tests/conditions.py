"""Every inverse on Hessians with condition numbers from 100 to a million, in both
precisions, with losses and inputs scaled, with and without a point far from all others:
it keeps its promise, or says that it cannot. Never a wrong number in silence. And a fit
to an optimum finds the same parameters, whatever loss and inputs are counted in.

At the edge: parameters without entries, curvature many orders above λ, losses in units
whose squares are no numbers in single precision.

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
from influence_nb import (ArnoldiInfluence, BlockCgInfluence,  # noqa: E402
                          CgInfluence, DirectInfluence, EkfacInfluence,
                          InverseHarmonicMeanInfluence, LissaInfluence,
                          LossOfParameters, NystroemSketchInfluence,
                          PushThroughInfluence, TorchMLP, fit_to_optimum,
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


EVERY = {DirectInfluence: {}, CgInfluence: {}, BlockCgInfluence: {},
         LissaInfluence: {"maxiter": 20_000}, ArnoldiInfluence: {"rank": 50},
         NystroemSketchInfluence: {"rank": 50}, PushThroughInfluence: {},
         InverseHarmonicMeanInfluence: {}, EkfacInfluence: {}}


def fitted(kind, model, loss, damping, data, **structure):
    "One class of EVERY, with what it needs; the same curvature for all but one"
    fisher = kind is InverseHarmonicMeanInfluence
    mode = "empirical_fisher" if fisher else "gauss_newton"
    influence = kind(model, loss, damping, second_order_mode=mode, **structure,
                     **EVERY[kind])
    return influence.fit([data])


def without_entries(kind, blocks):
    "A parameter without entries, in a block of its own, changes no number"
    torch.manual_seed(0)
    model, x, y = TorchMLP([3, 4, 2]), torch.randn(20, 3).double(), torch.arange(20) % 2
    plain = fitted(kind, model, F.cross_entropy, 0.1, (x, y), block_structure=blocks)
    model.none = nn.Parameter(torch.zeros(0, 2).double())
    empty = fitted(kind, model, F.cross_entropy, 0.1, (x, y), block_structure=blocks)
    pairs = [(empty.influences(x[:4], y[:4]), plain.influences(x[:4], y[:4])),
             (empty.self_influences(x, y), plain.self_influences(x, y)),
             (sum(empty.influences_by_block(x[:4], y[:4]).values()),
              plain.influences(x[:4], y[:4]))]
    error = max(relative_error(a, b) for a, b in pairs)
    # conjugate gradient and the series stop where they stop
    return "right" if error <= 1e-2 else f"wrong: {error:.1e}"


def far_above(kind, n):
    """Eigenvalues from 1e9 to 1e13 times λ, of n points in four dimensions: what a
    training point has to itself is what the n × n system says"""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, 4, generator=generator).double()
    y = torch.randn(n, 1, generator=generator).double()
    worst = 0.0
    for factor in (1e-9, 1e-11, 1e-13):
        model = nn.Linear(4, 1, bias=False).double()
        K, lam = 2 * x @ x.T, factor * (2 * x @ x.T).diagonal().max().item()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                warnings.filterwarnings("ignore", category=DeprecationWarning)
                influence = fitted(kind, model, F.mse_loss, lam, (x, y))
                own = influence.self_influences(x, y)
        except (ValueError, Warning) as why: return f"loud: {why}"
        r = (2 * (x @ model.weight.T - y)).detach()[:, 0]
        inner = torch.linalg.eigh(K)
        weights = torch.where(inner[0] > 1e-9 * inner[0][-1],
                              inner[0] / (inner[0] + n * lam), 0)
        hat = (inner[1] * weights) @ inner[1].T
        worst = max(worst, relative_error(own, n * r**2 * hat.diagonal() / 2))
    return "right" if worst <= 1e-5 else f"wrong: {worst:.1e}"


def in_other_currency(kind, unit):
    "A loss in other units, in single precision: self-influences are in these units"
    torch.manual_seed(0)
    model, x = TorchMLP([3, 4, 2], dtype=torch.float32), torch.randn(20, 3)
    y, found = torch.arange(20) % 2, []
    for factor in (1.0, unit):
        def loss(outputs, y): return factor * F.cross_entropy(outputs, y)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                warnings.filterwarnings("ignore", category=DeprecationWarning)
                influence = fitted(kind, model, loss, 0.1 * factor, (x, y))
                found.append(influence.self_influences(x, y).double() / factor)
        except (ValueError, Warning) as why: return f"loud: {why}"
    error = relative_error(found[1], found[0])
    return "right" if error <= 1e-2 else f"wrong: {error:.1e}"


def edges():
    "Every class at the edge: (name, what was asked, outcome)"
    for kind in EVERY:
        name = kind.__name__
        layers = ("layer",) if kind is EkfacInfluence else ("layer", "parameter")
        for blocks in layers:
            yield "without entries", f"{name}, {blocks}", without_entries(kind, blocks)
        if kind not in (InverseHarmonicMeanInfluence, EkfacInfluence):
            for n in (2, 30):
                yield "far above λ", f"{name}, {n} points", far_above(kind, n)
        if kind is InverseHarmonicMeanInfluence: continue
        for unit in (1e-25, 1e-12, 1e12, 1e20):
            yield "units", f"{name}, loss × {unit:g}", in_other_currency(kind, unit)


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
    for name, asked, outcome in edges():
        tally[name, outcome.split(":")[0]] += 1
        if outcome.startswith("wrong"): print(f"{name}, {asked}: {outcome}")
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
