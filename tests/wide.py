"""What chapters check on a few cases, on all of them: every curvature and structure in
single precision, other inverses on every model of the shared checks, influences through
a run on these models, push-through inverses of thousands of rows, a recurrent model of
more sequences, labels that no number of steps brings to an optimum, untrained networks;
and draws of stored experiments that take too long to be made again in their chapters.

Run by `make test`.
"""
import copy
import json
import os
import time
import warnings
from contextlib import redirect_stdout
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F
from fastcore.test import ExceptionExpected
from sklearn.datasets import load_digits
from torch import nn

from influence_nb import (ArnoldiInfluence, CgInfluence, ConvergenceWarning, Curvature,
                          DirectInfluence, EkfacPreconditioner,
                          InverseHarmonicMeanInfluence, JacobiPreconditioner,
                          LissaInfluence, LossOfParameters, NystroemSketchInfluence,
                          PushThroughInfluence, SourceInfluence,
                          TorchLogisticRegression, TorchMLP, TrainingRun,
                          UnrolledInfluence, check_close, find_mislabeled,
                          fit_to_optimum, per_sample_gradients, sample_gaussian_blobs)
from influence_nb.checks import relative_error
from influence_nb.influence import NotFittedError, SingularHessianError
from influence_nb.pushthrough import (PushThroughInverse, curvature_rows, gram,
                                      row_pairs)
from influence_nb.shared_checks import (PROPERTIES, check_influence_class,
                                        influence_cases, influence_report)

NOTEBOOKS = Path(__file__).resolve().parent.parent / "nbs"
MODES = ("empirical_fisher", "gauss_newton")


def single_precision():
    "Every property of the direct inverse in float32, and what it must refuse"
    single = influence_report(DirectInfluence, dtypes=[torch.float32])
    bad = [outcome for outcome in single if outcome.problem]
    assert not bad, bad
    assert {outcome.property for outcome in single} == {*PROPERTIES,
                                                        "refuses other structures"}
    return f"{len(single)} outcomes"


def mean_of_inverses(block, B):
    "What the harmonic mean should do"
    outer = block.gradients[:, :, None] * block.gradients[:, None, :]
    damped = block.damping * torch.eye(len(B), dtype=B.dtype) + outer
    return torch.linalg.inv(damped).mean(0) @ B


def other_inverses():
    "Conjugate gradient, push-through and harmonic mean on all four models"
    double = dict(dtypes=[torch.float64])
    check_influence_class(CgInfluence, **double)
    check_influence_class(CgInfluence, dtypes=[torch.float32],
                          kinds=["linear regression"])
    check_influence_class(PushThroughInfluence, tol=1e-8, **double,
                          second_order_modes=MODES[::-1])
    check_influence_class(InverseHarmonicMeanInfluence, tol=1e-9, **double,
                          second_order_modes=MODES[:1], reference=mean_of_inverses)
    return "3 inverses"


def iterations_and_sketches():
    "LiSSA, low rank and preconditioners where the chapters do not try them"
    logistic, line = ["logistic regression"], ["linear regression"]
    once = dict(block_structures=("full",), refuses=False)
    hessian = dict(second_order_modes=("hessian",))
    double, single = dict(dtypes=[torch.float64]), dict(dtypes=[torch.float32])
    for kinds, precision in ((line, double), (logistic, single)):
        check_influence_class(LissaInfluence, tol=1e-2, kinds=kinds, **once, **hessian,
                              **precision)
    of_lanczos = partial(ArnoldiInfluence, rank=1000)
    of_sketch = partial(NystroemSketchInfluence, rank=1000)
    for kinds, precision in ((line, double), (["network"], single)):
        check_influence_class(of_lanczos, kinds=kinds, **once, **precision, **hessian)
    check_influence_class(of_sketch, kinds=logistic, **once, **double,
                          second_order_modes=MODES[:1])
    check_influence_class(of_sketch, **once, **single, second_order_modes=MODES[1:],
                          kinds=["convolutional network, frozen layer"])
    for preconditioner, blocks in (
            (JacobiPreconditioner(), ("full", "layer", "parameter")),
            (EkfacPreconditioner(), ("full",))):
        check_influence_class(partial(CgInfluence, preconditioner=preconditioner),
                              kinds=logistic, refuses=False, block_structures=blocks,
                              **double, **hessian)
    return "8 pairs of class and model"


def after_a_run(case, make):
    "The influence of a run of twenty steps of a case's model"
    model = copy.deepcopy(case.model)
    sgd = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.05,
                          momentum=0.5)
    run = TrainingRun(model, case.loss, *case.train, sgd)
    for rows in torch.arange(40).repeat(5).split(10):
        sgd.zero_grad()
        case.loss(model(case.train[0][rows]), case.train[1][rows]).backward()
        run.step(rows)
    return make(model, case.loss).fit(run)


def check_run_influence(case, make):
    "What of the shared checks is left where there is a run in the place of data"
    influence, (x, y), test = after_a_run(case, make), case.train, case.test
    before = copy.deepcopy(influence.model.state_dict())
    found = influence.influences(*test)
    assert found.shape == (len(test[1]), 40) and found.dtype == x.dtype
    assert not found.requires_grad and torch.equal(found, influence.influences(*test))
    two = influence.influences(*test, x[[5, 2]], y[[5, 2]])
    check_close(two, found[:, [5, 2]], 1e-9)
    check_close(influence.influences(test[0][1:2], test[1][1:2]), found[1:2], 1e-9)
    subject = SimpleNamespace(case=case, influence=influence, rounding=1e-9)
    PROPERTIES["self-influences are the diagonal"](subject)
    for name, value in influence.model.state_dict().items():
        assert torch.equal(value, before[name])
    with ExceptionExpected(NotFittedError, "fit"): make(
        case.model, case.loss).influences(*test)
    with ExceptionExpected(ValueError, "differ in length"):
        influence.influences(test[0], test[1][:-1])
    with ExceptionExpected(ValueError, "NaN"):
        influence.influences(test[0] * float("nan"), test[1])


def through_a_run():
    "Unrolled and SOURCE, in both of its bases, on all four models"
    for case in influence_cases():
        for make in (SourceInfluence, partial(SourceInfluence, basis="dense"),
                     UnrolledInfluence):
            check_run_influence(case, make)
    return "4 models"


def runaway_fits():
    "Separable labels: no optimum, however many steps are allowed, and with weights"
    for seed in range(3):
        x, y = sample_gaussian_blobs([[0, 0], [6, 6]], 0.5, 30, random_state=seed)
        y = torch.as_tensor(y, dtype=torch.float64)[:, None]
        for weights in (None, torch.linspace(0.5, 1.5, 30)):
            model = TorchLogisticRegression(2)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                far = fit_to_optimum(model, F.binary_cross_entropy, x, y,
                                     sample_weights=weights, max_iter=1000)
            assert not far.converged and caught[-1].category is ConvergenceWarning
            assert all(parameter.isfinite().all() for parameter in model.parameters())
    return "6 fits"


def digits_network():
    "300 digits of 4 × 4 pixels, 40 others, and a network at its optimum"
    x, y = load_digits(return_X_y=True)
    x = F.avg_pool2d(torch.as_tensor(x).view(-1, 1, 8, 8) / 16, 2).flatten(1)
    y, damping = torch.as_tensor(y), 0.03
    train, test = (x[:300], y[:300]), (x[300:340], y[300:340])
    torch.manual_seed(0)
    network = TorchMLP([16, 6, 10])
    assert fit_to_optimum(network, F.cross_entropy, *train, damping).converged
    return network, damping, train, test


def pairs_of_rows(f, train, test):
    "Products of rows from the pairs of layers, beside the rows themselves"
    G_train, G_test = (per_sample_gradients(f, *data) for data in (train, test))
    for mode in (None, *MODES):
        U = G_train
        if mode is not None: U = torch.cat(list(curvature_rows(f, *train, mode)))
        rows = row_pairs(f, *train, mode)
        check_close(gram(f, rows, row_pairs(f, *test)), U @ G_test.T, 1e-12)
        check_close(gram(f, rows, rows), U @ U.T, 1e-12)
        assert all(len(a) == len(delta) == len(U) for a, delta in rows.values())
        assert torch.equal(gram(f, rows, rows), gram(f, rows, rows).T)


def same_answers(found, dense, train, test):
    expected = dense.influences(*test, *train)
    check_close(found.influences(*test, *train), expected, 1e-9)
    check_close(found.self_influences(*train), dense.self_influences(*train), 1e-9)


def push_through():
    "Both curvatures from 300 and 2,700 rows, a λ for all or for each parameter"
    network, damping, train, test = digits_network()
    f = LossOfParameters(network, F.cross_entropy)
    pairs_of_rows(f, train, test)
    each = {name: damping * (1 + k) for k, name in enumerate(f.names)}
    for mode in MODES:
        def fitted(kind, lam=damping, **options):
            return kind(network, F.cross_entropy, lam, second_order_mode=mode,
                        **options).fit([train])
        dense = fitted(DirectInfluence)
        for options in ({}, {"max_elements": 2000}):
            same_answers(fitted(PushThroughInfluence, **options), dense, train, test)
        rows = fitted(PushThroughInfluence, {"all": damping},
                      block_structure={"all": f.names})
        assert rows.inverses["all"].pairs is None
        same_answers(rows, dense, train, test)
        factors = PushThroughInverse(Curvature(f, [train], mode, damping))(
            per_sample_gradients(f, *test).T)
        check_close(factors, dense.influence_factors(*test).T, 1e-9)
        own, dense = (fitted(kind, each) for kind in (PushThroughInfluence,
                                                      DirectInfluence))
        same_answers(own, dense, train, test)
        check_close(own.influence_factors(*test), dense.influence_factors(*test), 1e-9)
        with ExceptionExpected(SingularHessianError, "within rounding"):
            fitted(PushThroughInfluence, 1e-18)
    return f"{len(train[1])} points"


class LastState(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.head = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x): return self.head(self.cell(x)[0][:, -1])


def recurrent():
    "The rows of a model that vmap does not take"
    torch.manual_seed(0)
    model = LastState().double()
    sequences = torch.randn(20, 5, 3, dtype=torch.float64), torch.arange(20) % 2
    named = enumerate(dict(model.named_parameters()))
    for lam in (0.1, {name: 0.1 * (1 + k) for k, name in named}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # each says once that vmap takes no GRU
            fitted, expected = (kind(model, F.cross_entropy, lam,
                                     second_order_mode="empirical_fisher")
                                .fit([sequences]).influences(*sequences)
                                for kind in (PushThroughInfluence, DirectInfluence))
        check_close(fitted, expected, 1e-9)
    return "20 sequences"


def untrained():
    "Ten networks that nobody trained, on 800 digits: a list says so, and only that"
    x, y = load_digits(return_X_y=True)
    x, y = x[:800] / 16, y[:800]
    for seed in range(5):
        torch.manual_seed(seed)
        for model in (nn.Linear(64, 10).double(), TorchMLP([64, 16, 10])):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                find_mislabeled(model, F.cross_entropy, x, y, progress=False)
            said, = [str(warning.message) for warning in caught if not issubclass(
                warning.category, DeprecationWarning)]  # of torch
            assert "does not look trained" in said, said
    return "10 networks"


def of_chapter(name, *cells, module=None, before=None):
    """What a chapter's module and these of its cells define, run one after the other;
    of the last cell what stands before this text"""
    os.chdir(NOTEBOOKS)
    names = dict(vars(import_module(module))) if module else {}
    page = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))
    source = {cell["id"]: "".join(cell["source"]) for cell in page["cells"]}
    if before:
        assert before in source[cells[-1]]
        source[cells[-1]] = source[cells[-1]].partition(before)[0]
    with redirect_stdout(None):  # tables
        for cell in cells: exec(compile(source[cell], f"{name}: {cell}", "exec"), names)
    return names


def same_numbers(again, kept, tol):
    "The same names, and under each the same numbers"
    assert again.keys() == kept.keys()
    for name in kept:
        off = np.abs(np.subtract(again[name], kept[name])).max()
        assert off <= tol, (name, off)


def run_derivative():
    "Forty trainings without a hundredth of the digits, which the derivative foretells"
    page = of_chapter("32_unrolled", "c1ec1a30", "6bc26148", "145a6d08", "638b6bca",
                      "32f00051", module="influence_nb.unrolled")
    fresh = page["stored"]("unrolled_fresh")
    for again, kept in ((page["scores"](0.05, 0), page["results"]["0.05"][0]),
                        (page["scores"](0.3, 0), page["results"]["0.3"][0]),
                        (page["scores"](0.05, 10), fresh["0.05"][0]),
                        (page["bent_tangents"](1), page["bent"]["1"])):
        same_numbers(again, kept, 1e-6)
    return "2 trainings, one of the fresh ones, 12 removals"


def segments():
    "SOURCE and EKFAC on one training of each rate"
    page = of_chapter("34_source", "9bcff044", "201f47d2", "6e2bd1fe",
                      module="influence_nb.source")
    for rate in ("0.05", "0.3"):
        same_numbers(page["scores"](float(rate), 0), page["results"][rate][0], 1e-6)
    return "2 trainings"


def headlines():
    "The draws that the chapter does not make again"
    page = of_chapter("82_headlines", "27ab2140", "d956c055", "9c92dfd8", "b3b4d8c2",
                      "a99625e1")
    alike, linear, cnn = page["alike"], page["linear_draw"](0), page["cnn_draw"](0)
    assert linear.keys() == page["linear"]["draws"][0].keys()
    assert len(linear["table"]) == 5 and alike(linear, page["linear"]["draws"][0])
    assert alike(cnn, page["cnn"]["draws"][0])
    one = page["iris_draws"]([5], 0.01, [0])[0]
    assert alike(one, page["iris"]["one layer of 5"]["0.01"][0])
    return "3 draws"


def harmonic_mean():
    "What push-through and the harmonic mean say of a thousand digits"
    page = of_chapter("24_pushthrough", "67540858", "08b74899",
                      module="influence_nb.pushthrough", before="results = stored")
    model, train, test = page["large_network"]()
    kept, options = page["stored"]("pushthrough"), dict(second_order_mode=MODES[0])
    G = per_sample_gradients(LossOfParameters(model, F.cross_entropy), *train)
    lam = (G**2).sum(1).mean().item() / 100
    exact, mean = (kind(model, F.cross_entropy, lam, **more).fit([train])
                   .influences(*test, *train) for kind, more in (
                       (PushThroughInfluence, options),
                       (InverseHarmonicMeanInfluence, {})))
    together = torch.corrcoef(torch.stack([mean.flatten(), exact.flatten()]))[0, 1]
    found = [lam, relative_error(mean, exact), together.item()]
    assert kept["rows"][2][0] == "harmonic mean"
    check_close(np.array(found), np.array([kept["lam"], *kept["rows"][2][3:]]), 1e-6)
    return f"correlation {together:.3f}"


def smallest_changes(first=100, count=20):
    "Fresh problems of twelve points: one more than the smallest of all sets, at most"
    page = of_chapter("52_smallest_change", "2e47666e", "502363f2", "7f1c0130",
                      module="influence_nb.smallest_change", before="exhaustive = ")
    found = [page["small_problem"](seed) for seed in range(first, first + count)]
    assert all(size - true in (0, 1) for true, size, _ in found), found
    return f"{sum(size == true for true, size, _ in found)} of {count} smallest"


def preconditioners():
    "One of the twenty networks, made again"
    page = of_chapter("27_preconditioning", "7969b99b", "0c5c3197", "fca2c4e5",
                      "27s00002", module="influence_nb.preconditioning")
    again, kept = page["leads"](0), page["other_seeds"]["draws"][0]
    assert again.keys() == kept.keys()
    for damping, row in kept.items():
        assert again[damping].keys() == row.keys()
        for name in row:  # in another arithmetic an iteration more or less
            tol = 0.03 if "iterations" in name else 1e-3
            assert abs(again[damping][name] - row[name]) < tol, (name, again)
    return "one network"


def same_results(again, name, tol):
    "The same numbers under the same names as in a stored file, but for rounding"
    path = NOTEBOOKS / "results" / f"{name}.json"
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert again.keys() == kept.keys() - {"made"}
    for part in again: check_close(np.array(again[part]), np.array(kept[part]), tol)


def whole_experiments():
    "Stored experiments, from the first of their draws to the last"
    page = of_chapter("17_influence", "59b69e0b", "8591485f", "0eb21dbd",
                      module="influence_nb.influence", before="rests = stored")
    same_results(page["resting_points"](), "resting_point", 1e-9)
    page = of_chapter("18_retraining", "3b212684", "1f83af60", "e99b67a7", "d2316867",
                      "5a2d0e39", module="influence_nb.retraining",
                      before="kept = stored")
    def in_columns(rows):
        return {f"{name}, {k}": [row[name] for row in rows[k:k + 20]]
                for k in range(0, len(rows), 20) for name in rows[0]}
    again = in_columns(page["all_errors"]()["rows"])
    kept = in_columns(page["stored"]("retraining_errors")["rows"])
    assert again.keys() == kept.keys()
    for name in kept: check_close(np.array(again[name]), np.array(kept[name]), 1e-6)
    page = of_chapter("33_failures", "2a0e39fb", "0c21ab11", "746ab633",
                      module="influence_nb.failures", before="memory = stored")
    same_results(page["memorization_experiment"](), "memorization", 1e-12)
    return "40 data sets, 120 data sets, 400 trainings"


def convolution():
    "A draw of Choosing an inverse on the convolution net"
    page = of_chapter("28_compare", "983db3d1", "6e973d25", "b4a373e4", "605dc1a3",
                      "6e834a23", "2dc6cf09", "2d18860f")
    again, kept = (page["compare_once"]("convolution", 0, 200, 60, 12),
                   page["cases"]["convolution"][0])
    assert again == kept, again
    return "to the last of four digits"


def main():
    for check in (single_precision, other_inverses, iterations_and_sketches,
                  through_a_run, runaway_fits, push_through, recurrent, untrained,
                  run_derivative, segments, headlines, harmonic_mean, smallest_changes,
                  preconditioners, whole_experiments, convolution):
        start = time.time()
        print(f"{check.__name__}: {check()}, {time.time() - start:.0f} s", flush=True)


if __name__ == "__main__": main()
