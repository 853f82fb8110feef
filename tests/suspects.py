"""What `find_mislabeled` does where something fails: methods, the timed product, a
progress bar, a network that has memorized its labels; and labels −1 and +1.

Run by `make test`.
"""
import copy
import sys
import time
import warnings
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from fastcore.test import ExceptionExpected
from sklearn.datasets import load_digits
from torch import nn

from influence_nb import (Curvature, DirectInfluence, LossOfParameters,
                          TorchLogisticRegression, check_close, find_mislabeled,
                          fit_to_optimum, flip_labels, leave_one_out_loss,
                          sample_gaussian_blobs)
from influence_nb import scoring
from influence_nb.scoring import METHODS, Method

blobs, classes = sample_gaussian_blobs([[0, 0], [1, 1]], 0.4, 60, random_state=0)
logistic, bce = TorchLogisticRegression(2), F.binary_cross_entropy
blobs_tensor = torch.as_tensor(blobs)
column = torch.as_tensor(classes, dtype=torch.float64)[:, None]
fit_to_optimum(logistic, bce, blobs_tensor, column, 0.01)
f = LossOfParameters(logistic, bce)
output = logistic(blobs).detach().numpy()[:, 0]


def rank(method, **more):
    return find_mislabeled(logistic, bce, blobs, classes, method=method,
                           progress=False, **more)


def by_name():
    "Scores of functions from elsewhere, and the damping that a product tells"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for method in ("leave-one-out loss", "out-of-fold loss"):
            assert rank(method, hessian_regularization=0.01).scores.shape == (60,)
        named = rank("leave-one-out loss", hessian_regularization=0.01).scores
        by_hand = leave_one_out_loss(logistic, bce, blobs_tensor, column, 0.01)
        check_close(named, by_hand, 1e-9)
    gauss_newton = Curvature(f, [(blobs_tensor, column)], "gauss_newton").to_dense()
    trace = gauss_newton.trace().item()
    assert 0.3 < scoring._probe(f, blobs_tensor, column)[0] / (0.1 * trace / 3) < 3
    return "two methods, one damping"


def automatic_choice():
    "By the number of parameters, and by what is installed"
    def only_ekfac_missing(name): return None if name == "influence_nb.ekfac" else True

    candidates = scoring._candidates
    with patch("importlib.util.find_spec", only_ekfac_missing):
        assert candidates("influence", 3)[0] == "self-influence"
        by_products = "self-influence by conjugate gradient"
        assert candidates("influence", 10_000) == [by_products, "loss"]
        assert candidates("influence", 10**9) == ["loss"]
    assert candidates(None, 3) == candidates(None, 10**9) == ["margin", "loss"]
    with patch("importlib.util.find_spec", lambda name: True):
        assert candidates("influence", 10_000)[0] == "self-influence by EKFAC"
    assert all(isinstance(method, Method) for method in METHODS.values())
    return "six choices"


def progress_bar():
    "One where tqdm is there, the same list where it is not"
    bars = []
    def bar(steps, desc, **words): return bars.append(desc) or steps

    with patch("tqdm.auto.tqdm", bar):
        find_mislabeled(logistic, bce, blobs, classes, method="loss")
    with patch.dict(sys.modules, {"tqdm.auto": None}):  # as if it were not installed
        without_bar = find_mislabeled(logistic, bce, blobs, classes, method="loss")
    check_close(without_bar.scores, rank("loss").scores, 1e-12)
    assert bars == ["loss"]
    return "with and without"


def rank_with(error, broken_part):
    "(ranking, warnings) of the automatic choice, where methods or the probe raise"
    def broken(*_): raise error
    methods = {name: method._replace(scores=broken)
               for name, method in METHODS.items() if method.products(1, 1)}
    parts = {"methods": patch.dict(METHODS, methods),
             "probe": patch.object(scoring, "_probe", broken)}
    with parts[broken_part], warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        return rank("influence"), [str(warning.message) for warning in caught]


def every_failure():
    """Each kind, in a method and in the product that is timed: the list by the loss
    comes"""
    failures = [ValueError("a layer that it cannot treat"), KeyError("0"),
                MemoryError(), torch.linalg.LinAlgError("eigh did not converge"),
                RuntimeError("vmap does not know this operator"),
                NotImplementedError()]
    by_loss = rank("loss").scores
    for error in failures:
        for part in ("methods", "probe"):
            passed_over, said = rank_with(error, part)
            assert passed_over.method == "loss"
            assert len(said) == {"methods": 3, "probe": 1}[part]
            for text in said:
                assert "going on without it" in text and type(error).__name__ in text
        check_close(passed_over.scores, by_loss, 1e-12)
    return f"{2 * len(failures)} failures"


def no_patience():
    "A substitute that would take long is named and passed over"
    with patch.object(scoring, "LONG_RUN", 1e-9):
        passed_over, said = rank_with(KeyError("0"), "methods")
    assert passed_over.method == "loss"
    assert all("would take about" in text for text in said[-2:])  # EKFAC and CG
    return "two"


def asked_for_by_name():
    "Raises, and goes on without the probe where λ is given"
    def broken(*_): raise KeyError("0")

    no_loss = METHODS["loss"]._replace(scores=broken)
    with patch.dict(METHODS, loss=no_loss):
        with ExceptionExpected(ValueError, "does not work for this model"): rank("loss")
    def without_probe(**options):
        with patch.object(scoring, "_probe", broken):
            return rank("self-influence", **options)

    with ExceptionExpected(ValueError, "give a hessian_regularization"):
        without_probe()
    direct = DirectInfluence(logistic, bce, 0.01).fit([(blobs_tensor, column)])
    own = direct.self_influences(blobs_tensor, column)
    check_close(without_probe(hessian_regularization=0.01).scores, own, 1e-6)
    return "loss and self-influence"


def by_heart():
    """An ordinary network in single precision that has memorized its wrong labels, with
    its logits as they are and grown: the list comes"""
    digits = load_digits()
    shuffled = np.random.RandomState(0).permutation(len(digits.data))[:800]
    x, (y, _) = digits.data[shuffled] / 16, flip_labels(digits.target[shuffled], 0.1,
                                                        random_state=0)
    torch.manual_seed(0)
    x32, y32 = torch.as_tensor(x[:200], dtype=torch.float32), torch.as_tensor(y[:200])
    memorized = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 10))
    optimizer = torch.optim.Adam(memorized.parameters(), 1e-2)
    for _ in range(300):
        optimizer.zero_grad()
        F.cross_entropy(memorized(x32), y32).backward()
        optimizer.step()
    assert (memorized(x32).argmax(1) == y32).all()
    in_place_of = {}
    for growth in (1, 10, 100):
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            grown = copy.deepcopy(memorized)
            grown[-1].weight *= growth
            grown[-1].bias *= growth
            listed = find_mislabeled(grown, F.cross_entropy, x32, y32,
                                     method="influence", progress=False)
            margins = find_mislabeled(grown, F.cross_entropy, x32, y32, progress=False)
        assert sorted(listed.order) == list(range(200))
        assert np.isfinite(margins.scores).all()
        in_place_of[growth] = listed.method
    return ", ".join(f"logits × {k}: {method}" for k, method in in_place_of.items())


def signs():
    """Labels −1 and +1 keep their coding, whatever the loss; the same points numbered 0
    and 1 give the same list"""
    signed_labels = 2 * classes - 1
    def soft_margin(output, target): return F.softplus(-output * target).mean()
    def hinge(output, target): return F.relu(1 - output * target).square().mean()
    def of_probability(output, target): return bce(output, (target + 1) / 2)

    agree = (output > 0.5) == (classes == 1)
    pairs = [(logistic.linear, soft_margin), (logistic.linear, nn.SoftMarginLoss()),
             (logistic.linear, hinge), (logistic, of_probability)]
    def signed_ranking(each, margin_loss, method):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a slow batching rule of SoftMarginLoss
            return find_mislabeled(each, margin_loss, blobs, signed_labels,
                                   method=method, progress=False)

    for each, margin_loss in pairs:
        for method in (None, "loss", "margin", "k-NN disagreement"):
            signed = signed_ranking(each, margin_loss, method)
            assert (signed.given == signed_labels).all()
            assert ((signed.given == signed.guess) == agree).all()
        if margin_loss is not hinge:
            check_close(signed.probability, rank("loss").probability, 1e-9)
    assert (signed.order == rank("k-NN disagreement").order).all()
    with ExceptionExpected(ValueError, "must hold 0 and 1, or -1 and 1"):
        find_mislabeled(logistic.linear, soft_margin, blobs, classes + 1,
                        progress=False)
    return f"{len(pairs)} losses"


TESTS = (by_name, automatic_choice, progress_bar, every_failure, no_patience,
         asked_for_by_name, by_heart, signs)

if __name__ == "__main__":
    for test in TESTS:
        start = time.time()
        print(f"{test.__name__}: {test()} ({time.time() - start:.1f} s)", flush=True)
