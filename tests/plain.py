"""The library without its workshop: inside `plain_forms()` nothing that exists for
speed may be entered, and every inverse passes the shared checks all the same.

Then the plain numbers are compared with the fast ones on a network of 2,410
parameters. It fails if a fast twin is called while they are switched off, if one is
not called while they are on, or if the two differ; and if a plain form has 25 lines.
"""
import ast
import importlib
import inspect
import pkgutil
import sys
import textwrap
import time
import warnings
from functools import partial

import torch
import torch.nn.functional as F

import influence_nb
from influence_nb import (ArnoldiInfluence, CgInfluence, DirectInfluence,
                          EkfacInfluence,
                          EkfacPreconditioner, InverseHarmonicMeanInfluence,
                          JacobiPreconditioner, LissaInfluence, LossOfParameters,
                          NystroemPreconditioner,
                          NystroemSketchInfluence, TorchMLP, check_close, curvature,
                          ekfac, plain_forms)
from influence_nb.shared_checks import influence_report

TWINS = {name: function for module in (curvature, ekfac)
         for name, function in vars(module).items() if getattr(function, "twin", None)}
calls = []  # names of the plain functions whose twin was entered


def counted(name, twin):
    def entered(*args, **kwargs):
        calls.append(name)
        return twin(*args, **kwargs)
    return entered


for name, function in TWINS.items(): function.twin = counted(name, function.twin)

def lines_of(function):
    "Lines of a definition that are not empty, decorators left out"
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(function)))
    start = ast.parse(source).body[0].lineno
    return sum(bool(line.strip()) for line in source.splitlines()[start - 1:])


def check_lengths():
    "A plain form is under 25 lines: what has a twin, and what is called plain"
    modules = [importlib.import_module(f"influence_nb.{module.name}")
               for module in pkgutil.iter_modules(influence_nb.__path__)]
    called_plain = {name: function for module in modules
                    for name, function in vars(module).items()
                    if name.startswith("plain_") and inspect.isfunction(function)}
    lengths = {name: lines_of(function)
               for name, function in (called_plain | TWINS).items()}
    assert {"plain_loss", "plain_conjugate_gradient", "ekfac_inverses"} <= {*lengths}
    too_long = {name: count for name, count in lengths.items() if count >= 25}
    assert not too_long, f"plain forms of 25 lines or more: {too_long}"
    print(f"{len(lengths)} plain forms, the longest of {max(lengths.values())} lines")


short = {"dtypes": [torch.float64], "kinds": ["network"], "refuses": False}
by_layer = {"second_order_modes": ("gauss_newton", "empirical_fisher"),
            "block_structures": ("layer",), "reference": None}
full = {"second_order_modes": ("hessian",), "block_structures": ("full",)}
line = {"kinds": ["linear regression"]}  # iterations are slow without the workshop
INVERSES = {  # what is checked → (class, options of the report)
    "direct": (DirectInfluence, {"block_structures": ("full",)}),
    "conjugate gradient": (CgInfluence, full | line),
    "preconditioned": (partial(CgInfluence, preconditioner=NystroemPreconditioner(2)),
                       full | line | {"second_order_modes": ("gauss_newton",)}),
    "preconditioned by EKFAC": (
        partial(CgInfluence, preconditioner=EkfacPreconditioner()),
        full | line | {"second_order_modes": ("gauss_newton",)}),
    "LiSSA": (LissaInfluence, full | line | {"tol": 1e-2}),
    "Arnoldi": (partial(ArnoldiInfluence, rank=200), full | {"tol": 1e-3}),
    "Nyström": (partial(NystroemSketchInfluence, rank=200),
                full | {"tol": 1e-3, "second_order_modes": ("gauss_newton",)}),
    "harmonic mean": (InverseHarmonicMeanInfluence,
                      full | {"reference": None, "second_order_modes": (None,)}),
    "EKFAC": (EkfacInfluence, by_layer),
    "EKFAC, convolutions": (EkfacInfluence, by_layer | {
        "kinds": ["convolutional network, frozen layer"]})}


def check_plainly(name):
    "The shared checks with the workshop closed; a list of problems"
    make, options = INVERSES[name]
    with plain_forms(): outcomes = influence_report(make, **{**short, **options})
    problems = [f"{o.property} ({o.case}): {o.problem}" for o in outcomes if o.problem]
    if not outcomes: problems.append("nothing was checked")
    if calls: problems.append(f"with the workshop closed, {set(calls)} were entered")
    return problems


def network():
    "A network on random data, trained a little, p = 2,410"
    torch.manual_seed(0)
    model = TorchMLP([64, 32, 10])
    x = torch.randn(60, 64, dtype=torch.float64)
    y = x[:, :10].argmax(1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model, x, y


def answers(make, model, x, y):
    fitted = make(model, F.cross_entropy, 0.1, second_order_mode="gauss_newton")
    fitted.fit([(x, y)])
    if hasattr(fitted, "blocks_table"): assert len(fitted.blocks_table()) == 2
    return fitted.influences(x[:9], y[:9], x, y), fitted.self_influences(x[:9], y[:9])


def compare(make):
    "Plain and fast answers on the network; the twins that the fast ones entered"
    case = network()
    with plain_forms(): plain = answers(make, *case)
    assert not calls, f"with the workshop closed, {set(calls)} were entered"
    for ours, expected in zip(answers(make, *case), plain):
        check_close(ours, expected, 1e-6)
    entered = set(calls)
    calls.clear()
    return entered


def compare_columns():
    "The same for the columns of the loss's Hessian, whose signs and basis are free"
    model, x, y = network()
    f, outputs = LossOfParameters(model, F.cross_entropy), model(x).detach()
    with plain_forms(): plain = ekfac.loss_hessian_columns(f, outputs, y)
    assert not calls, f"with the workshop closed, {set(calls)} were entered"
    fast = ekfac.loss_hessian_columns(f, outputs, y)
    check_close(*(torch.einsum("rna,rnb->nab", part, part) for part in (fast, plain)),
                1e-9)
    entered = set(calls)
    calls.clear()
    return entered


def main():
    warnings.simplefilter("ignore")
    assert len(TWINS) == 8, f"the twins are {sorted(TWINS)}"
    check_lengths()
    failed, entered = [], set()
    for name in INVERSES:
        start = time.time()
        problems = check_plainly(name)
        calls.clear()
        failed += problems
        print(f"{'FAILED' if problems else 'passed'}  {name}, plainly "
              f"({time.time() - start:.0f} s)", *problems[:5], sep="\n    ")
    jacobi = partial(CgInfluence, preconditioner=JacobiPreconditioner(), rtol=1e-9)
    for make in (DirectInfluence, jacobi, EkfacInfluence): entered |= compare(make)
    entered |= compare_columns()
    if entered != set(TWINS):
        failed.append(f"never entered: {set(TWINS) - entered}")
    print(*failed[-1:], f"fast twins entered: {', '.join(sorted(entered))}", sep="\n")
    sys.exit(bool(failed))


if __name__ == "__main__": main()
