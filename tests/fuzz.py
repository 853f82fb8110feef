"""Calls of every public name with one bad argument each, and of the good ones where
another default device is set.

Run by `make test`.

Allowed: the answer of the call with good arguments, where the value means the same; or
an error of the library that names the argument. Never: an error from inside PyTorch or
NumPy, another number, a call that hangs, or a change of what the user owns.

    python tests/fuzz.py            # 1,000 seeded calls
    python tests/fuzz.py all        # every combination
    python tests/fuzz.py CgInfluence conjugate_gradient   # all of these names
"""
import copy
import inspect
import os
import random
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

import IPython.display
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn
from sklearn.linear_model import LogisticRegression
from torch.utils.data import DataLoader, TensorDataset

IPython.display.display = lambda *_, **__: None  # widgets are made, and not shown
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
import influence_nb as nb  # noqa: E402
from influence_nb import zoo  # noqa: E402

LIBRARY = Path(nb.__file__).parent
SOURCES = {path: path.read_text().splitlines() for path in LIBRARY.glob("*.py")}
CALLS, SECONDS, LIMIT = 1000, 60, 200  # calls in CI; of one call; of failures shown
nan, inf = float("nan"), float("inf")


# ── What stands for each kind of argument ────────────────────────────────────────────

SAME, ERROR, EITHER = "the same answer", "an error", "either"


class Thing:
    "An object that is nothing that anybody could use"
    def __repr__(self): return "Thing()"


def exhausted():
    iterator = iter([])
    return (item for item in iterator)


NO_NUMBER = {"None": lambda v: None, "text": lambda v: "1", "a list": lambda v: [v],
             "a thing": lambda v: Thing(), "complex": lambda v: 1 + 1j,
             "an array": lambda v: np.array([v, v]), "NaN": lambda v: nan,
             "a set": lambda v: {1, 2}, "a function": lambda v: len,
             "a tensor": lambda v: torch.ones(2), "dict": lambda v: {"a": 1}}
NUMBER = {name: (ERROR, make) for name, make in NO_NUMBER.items()} | {
    "infinite": (ERROR, lambda v: inf), "minus infinite": (ERROR, lambda v: -inf),
    "negative": (ERROR, lambda v: -1.0), "True": (EITHER, lambda v: True),
    "NaN in float32": (ERROR, lambda v: np.float32(nan)),
    "NaN in a tensor": (ERROR, lambda v: torch.tensor(nan)),
    "huge": (EITHER, lambda v: 1e300), "tiny": (EITHER, lambda v: 1e-300),
    "zero": (EITHER, lambda v: 0.0), "as float64": (SAME, np.float64),
    "as an array": (SAME, lambda v: np.array(v)),
    "as a tensor": (SAME, lambda v: torch.tensor(v, dtype=torch.float64))}
WHOLE = {name: (ERROR, make) for name, make in NO_NUMBER.items()} | {
    "infinite": (ERROR, lambda v: inf), "half": (ERROR, lambda v: 2.5),
    "negative": (ERROR, lambda v: -3), "True": (EITHER, lambda v: True),
    "zero": (EITHER, lambda v: 0), "huge": (EITHER, lambda v: 10**30),
    "a real number": (EITHER, float), "as int64": (SAME, np.int64),
    "as int8": (SAME, np.int8), "as a tensor": (SAME, lambda v: torch.tensor(v))}
NO_ARRAY = {"None": lambda v: None, "text": lambda v: "x", "a thing": lambda v: Thing(),
            "a set": lambda v: {1, 2}, "a function": lambda v: len,
            "a number": lambda v: 1.0,
            "an empty list": lambda v: [],
            "an exhausted generator": lambda v: exhausted(),
            "texts": lambda v: np.array(["a", "b"]),
            "ragged": lambda v: [[1.0], [1.0, 2.0]],
            "a scalar": lambda v: torch.tensor(1.0), "nested": lambda v: [[[["a"]]]],
            "objects": lambda v: np.array([Thing(), None], dtype=object)}


def tensor_of(v): return v if isinstance(v, torch.Tensor) else torch.as_tensor(v)
def array_of(v):
    return v.detach().numpy() if isinstance(v, torch.Tensor) else np.asarray(v)


def spoiled(value, entry):
    value = tensor_of(value).clone()
    if not value.is_floating_point(): value = value.double()
    value.reshape(-1)[1] = entry
    return value


def negative_strides(v):
    a = array_of(v)
    return a[::-1].copy()[::-1]


def table(v):
    a = array_of(v)
    return pd.DataFrame(a) if a.ndim == 2 else pd.Series(a) if a.ndim == 1 else a


ARRAY_LIKE = {  # another container with the same numbers
    "as an array": (SAME, array_of),
    "as a tensor": (SAME, lambda v: tensor_of(v).clone()),
    "with a negative stride": (SAME, negative_strides),
    "in Fortran's order": (SAME, lambda v: np.asfortranarray(array_of(v))),
    "as a table": (SAME, table), "read-only": (SAME, lambda v: frozen(v)),
    "as a list": (SAME, lambda v: array_of(v).tolist()),
    "not contiguous": (SAME, lambda v: torch.stack([tensor_of(v)] * 2, -1)[..., 0]),
    "as objects": (EITHER, lambda v: array_of(v).astype(object)),
    "big endian": (EITHER,
                   lambda v: array_of(v).astype(array_of(v).dtype.newbyteorder(">"))),
    "a masked array": (EITHER, lambda v: np.ma.masked_array(array_of(v)))}
REAL = {name: (ERROR, make) for name, make in NO_ARRAY.items()} | ARRAY_LIKE | {
    "with NaN": (ERROR, lambda v: spoiled(v, nan)),
    "with infinity": (ERROR, lambda v: spoiled(v, -inf)),
    "complex": (ERROR, lambda v: tensor_of(v).to(torch.complex128)),
    "sparse": (ERROR, lambda v: tensor_of(v).double().to_sparse()),
    "half precision": (EITHER, lambda v: tensor_of(v).half()),
    "in float32": (EITHER, lambda v: tensor_of(v).float()),
    "whole numbers": (EITHER, lambda v: tensor_of(v).long()),
    "true or false": (EITHER, lambda v: tensor_of(v) > 0),
    "empty": (ERROR, lambda v: tensor_of(v)[:0]),
    "too short": (ERROR, lambda v: tensor_of(v)[:-1]),
    "one dimension more": (ERROR, lambda v: tensor_of(v)[..., None, None]),
    "too wide": (ERROR, lambda v: torch.cat([tensor_of(v)] * 2, -1)),
    "long double": (SAME, lambda v: array_of(v).astype(np.longdouble)),
    "with a gradient": (SAME, lambda v: tensor_of(v).double().requires_grad_()),
    "on another device": (ERROR, lambda v: tensor_of(v).to("meta"))}
LABELS = {name: (ERROR, make) for name, make in NO_ARRAY.items()} | ARRAY_LIKE | {
    "negative": (ERROR, lambda v: tensor_of(v) - 3),
    "too large": (ERROR, lambda v: tensor_of(v) + 10**6),
    "uint8": (SAME, lambda v: array_of(v).astype(np.uint8)),
    "int32": (SAME, lambda v: array_of(v).astype(np.int32)),
    "uint64": (SAME, lambda v: array_of(v).astype(np.uint64)),
    "complex": (ERROR, lambda v: tensor_of(v).to(torch.complex128)),
    "with NaN": (ERROR, lambda v: spoiled(v, nan)),
    "halves": (ERROR, lambda v: tensor_of(v) + 0.5),
    "true or false": (EITHER, lambda v: tensor_of(v) > 0),
    "real numbers": (EITHER, lambda v: tensor_of(v).double()),
    "empty": (ERROR, lambda v: tensor_of(v)[:0]),
    "too short": (ERROR, lambda v: tensor_of(v)[:-1]),
    "one dimension more": (EITHER, lambda v: tensor_of(v)[..., None]),
    "two dimensions more": (ERROR, lambda v: tensor_of(v)[..., None, None])}
INDICES = {name: LABELS[name]
           for name in (*NO_ARRAY, "negative", "too large", "int32", "uint8",
           "complex", "halves", "as a list", "with a negative stride", "with NaN")}


def either(table, *labels):
    "The same table, where these values may also work"
    return table | {label: (EITHER, table[label][1]) for label in labels}


# None: the default
MAYBE_WHOLE, MAYBE_NUMBER = either(WHOLE, "None"), either(NUMBER, "None")
MEASURED = {name: REAL[name] for name in REAL if name not in (
    "with NaN", "with infinity")}  # their error is infinite, by the definition
BLOCK = either(REAL, "too wide", "too short")  # any number of rows or columns will do
MAYBE_BLOCK = either(BLOCK, "None")
# labels that only name classes
NAMES = either(LABELS, "negative", "too large", "too short")
ANY = {name: (EITHER, make) for name, (_, make) in (REAL | LABELS).items()}
SOME = either(INDICES, "an empty list", "None")


def without(table, *labels):
    return {label: value for label, value in table.items() if label not in labels}


def frozen(v):
    a = array_of(v).copy()
    a.flags.writeable = False
    return a


class Raising(nn.Module):
    def forward(self, x): raise KeyError("of the user's own")


def with_nan(model):
    model = copy.deepcopy(model)
    with torch.no_grad(): next(model.parameters()).reshape(-1)[0] = nan
    return model


MODEL = {"None": (ERROR, lambda v: None), "text": (ERROR, lambda v: "model"),
         "a function": (ERROR, lambda v: len), "a class": (ERROR, lambda v: nn.Linear),
         "half precision": (ERROR, lambda v: copy.deepcopy(v).half()),
         "bfloat16": (ERROR, lambda v: copy.deepcopy(v).bfloat16()),
         "complex": (ERROR, lambda v: nn.Linear(2, 3, dtype=torch.complex128)),
         "without parameters": (ERROR, lambda v: nn.Identity()),
         "frozen": (ERROR, lambda v: copy.deepcopy(v).requires_grad_(False)),
         "with NaN": (ERROR, with_nan), "lazy": (ERROR, lambda v: nn.LazyLinear(3)),
         "on no device": (ERROR, lambda v: copy.deepcopy(v).to("meta")),
         "of other inputs": (ERROR, lambda v: nn.Linear(7, 3).double()),
         "that raises": (ERROR,
                         lambda v: nn.Sequential(nn.Linear(2, 3).double(), Raising()))}
LOSS = {"None": (ERROR, lambda v: None), "text": (ERROR, lambda v: "loss"),
        "not reduced": (ERROR, lambda v: lambda o, y: v(o, y, reduction="none")),
        "a sum": (ERROR, lambda v: lambda o, y: v(o, y, reduction="sum")),
        "NaN": (ERROR, lambda v: lambda o, y: v(o, y) * nan),
        "a number": (ERROR, lambda v: lambda o, y: 1.0),
        "detached": (ERROR, lambda v: lambda o, y: v(o.detach(), y)),
        "an item": (ERROR, lambda v: lambda o, y: v(o, y).item()),
        "of one argument": (ERROR, lambda v: lambda o: o.sum()),
        "a class": (ERROR, lambda v: nn.CrossEntropyLoss)}
FUNCTION = {name: (ERROR, NO_NUMBER[name])
            for name in ("text", "a list", "a set", "complex")} | {
    "None": (ERROR, lambda v: None), "a number": (ERROR, lambda v: 3)}
WORD = {"None": (ERROR, lambda v: None), "nonsense": (ERROR, lambda v: "nonsense"),
        "a number": (ERROR, lambda v: 3), "a list": (ERROR, lambda v: [v]),
        "bytes": (ERROR, lambda v: v.encode()), "a set": (ERROR, lambda v: {v}),
        "an array": (EITHER, lambda v: np.array([v])), "empty": (ERROR, lambda v: ""),
        "upper case": (ERROR, lambda v: v.upper()),
        "a tensor": (ERROR, lambda v: torch.ones(2))}
LOADER = {"None": (ERROR, lambda v: None), "text": (ERROR, lambda v: "loader"),
          "a tensor": (ERROR, lambda v: v[0][0]), "a pair": (ERROR, lambda v: v[0]),
          "a number": (ERROR, lambda v: 3), "empty": (ERROR, lambda v: []),
          "without targets": (ERROR, lambda v: [(v[0][0],)]),
          "an exhausted generator": (ERROR, lambda v: exhausted()),
          "a dict": (ERROR, lambda v: {"x": v[0][0], "y": v[0][1]}),
          "a set": (ERROR, lambda v: {1}),
          "a data set": (SAME, lambda v: TensorDataset(*v[0])),
          "a DataLoader": (SAME, lambda v: DataLoader(TensorDataset(*v[0]), 5)),
          "a generator": (SAME, lambda v: (batch for batch in v)),
          "arrays": (SAME, lambda v: [tuple(map(array_of, v[0]))]),
          "with NaN": (ERROR, lambda v: [(spoiled(v[0][0], nan), v[0][1])]),
          "of other lengths": (ERROR, lambda v: [(v[0][0], v[0][1][:-1])]),
          "a list of things": (ERROR, lambda v: [Thing()])}
MATRIX = {name: REAL[name]
          for name in (*NO_ARRAY, "with NaN", "complex", "sparse", "empty",
          "one dimension more", "too wide", "too short", "on another device",
          "whole numbers",
          "true or false", "half precision")}
FITTED = {"None": (ERROR, lambda v: None), "text": (ERROR, lambda v: "x"),
          "a thing": (ERROR, lambda v: Thing()),
          "a tensor": (ERROR, lambda v: torch.ones(3)),
          "a number": (ERROR, lambda v: 1.0),
          "a set": (ERROR, lambda v: {1})}
CURVATURE = FITTED | {"a matrix": (EITHER, lambda v: v.to_dense())}
AXES = {"text": (ERROR, lambda v: "ax"), "a number": (ERROR, lambda v: 3),
        "a list": (ERROR, lambda v: [1]),
        "a figure": (ERROR, lambda v: plt.figure())}
TEXT = {"a number": (EITHER, lambda v: 3), "None": (EITHER, lambda v: None)}
TABLE = {"None": (ERROR, lambda v: None), "text": (ERROR, lambda v: "x"),
         "a number": (ERROR, lambda v: 3),
         "empty": (ERROR, lambda v: {}), "a thing": (ERROR, lambda v: Thing()),
         "a set": (ERROR, lambda v: {1})}
SWITCH = {"text": (ERROR, lambda v: "yes"), "None": (ERROR, lambda v: None),
          "a thing": (ERROR, lambda v: Thing()),
          "NaN": (ERROR, lambda v: nan),
          "an array": (ERROR, lambda v: np.array([True, False]))}


# ── A small problem, and one good call of every name ─────────────────────────────────

torch.manual_seed(0)
N = 14
X = torch.randn(N, 2, dtype=torch.float64)
Y = torch.randint(3, (N,))
Y[:3] = torch.arange(3)
XT, YT = torch.randn(6, 2, dtype=torch.float64), torch.arange(6) % 3
MODEL_HERE, CE = nb.TorchMLP([2, 3]), F.cross_entropy
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    nb.fit_to_optimum(MODEL_HERE, CE, X, Y, 0.1)
POINTS, BITS = X.numpy().copy(), (X[:, 0] > 0).long().numpy()
f = nb.LossOfParameters(MODEL_HERE, CE)
P = len(f.theta)
ONES, EVERY = torch.ones(P, 2).double(), torch.ones(N)
A = torch.eye(5, dtype=torch.float64) * torch.arange(1.0, 6).double() + 0.1
B = torch.randn(5, 2, dtype=torch.float64)
CURV = nb.Curvature(f, [(X, Y)], "gauss_newton", 0.1)
FIT = nb.DirectInfluence(MODEL_HERE, CE, 0.1).fit([(X, Y)])
SCORES, FLIPS = np.linspace(0, 1, N), np.array([1, 5, 7])
PASS = nb.layer_pass(f, X)
ZOO = [next(iter(zoo.SPECIMENS)), next(iter(zoo.METHODS))]
SKLEARN = LogisticRegression()
PROBABLE = np.stack([1 - BITS * 0.8 - 0.1, BITS * 0.8 + 0.1], 1)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    SUSPECTS = nb.find_mislabeled(None, None, POINTS, BITS, pred_probs=PROBABLE,
                                  progress=False)
DECIDED = [nb.Review(POINTS, BITS, SCORES) for _ in range(2)]
for reviewer in DECIDED:
    for point in range(4): reviewer.decide(point, "keep")
NAMELESS = {name: (EITHER, make) for name, (_, make) in REAL.items()}
TABULAR = {name: (EITHER, make) for name, (_, make) in REAL.items()}
WORDS = {name: (EITHER, make) for name, (_, make) in LABELS.items()}
EXPLORER = nb.InfluenceExplorer(num_samples=30)


def run_of(model, loss, x, y, optimizer):
    if model is MODEL_HERE: model = copy.deepcopy(model)
    if optimizer == "SGD": optimizer = torch.optim.SGD(model.parameters(), 0.1)
    run = nb.TrainingRun(model, loss, x, y, optimizer)
    CE(model(X), Y).backward()
    run.step(np.arange(N))
    return run.retrained(EVERY)


def a_run():
    model = copy.deepcopy(MODEL_HERE)
    run = nb.TrainingRun(model, CE, X, Y, torch.optim.SGD(model.parameters(), 0.1))
    for _ in range(2):
        model.zero_grad()
        CE(model(X), Y).backward()
        run.step(range(N))
    return model, run


def unrolled(model, loss, every, run, x_test, y_test, x, y):
    asked = nb.UnrolledInfluence(model, loss, every).fit(run)
    return asked.influences(x_test, y_test, x, y), asked.self_influences(x, y)


def ask(cls):
    "An influence made, fitted and asked"
    def call(model, loss, hessian_regularization, train_loader, x_test, y_test, x, y,
             mode, measure, **options):
        I = cls(model, loss, hessian_regularization, **options).fit(train_loader)
        return I.influences(x_test, y_test, x, y, mode=mode, measure=measure)
    return call


def train(x, y):
    model = copy.deepcopy(MODEL_HERE)
    return model


def trained(model, optimizer, **arguments):
    "`fit_torch_model` changes its model: give it one of its own"
    if model is MODEL_HERE: model = copy.deepcopy(model)
    if optimizer == "SGD": optimizer = torch.optim.SGD(
        (model if isinstance(model, nn.Module)
         and list(model.parameters()) else MODEL_HERE).parameters(), 0.1)
    return nb.fit_torch_model(model, optimizer=optimizer, progress=False, **arguments)


def optimum(**arguments):
    if arguments["model"] is MODEL_HERE: arguments["model"] = copy.deepcopy(MODEL_HERE)
    return nb.fit_to_optimum(**arguments)[:1]


def pictures(function):
    "A plotting function, whose figure is drawn and closed"
    def call(**arguments):
        try:
            function(**arguments)
            plt.gcf().canvas.draw()
        finally: plt.close("all")
    call.__name__ = function.__name__
    return call


def question(model): return (model(XT[:1])[0, 0] - model(XT[:1])[0, 1])


def written(**arguments):
    return np.asarray(nb.write_influences(folder=tempfile.mkdtemp(), progress=False,
                                          **arguments))


def saved(**arguments):
    path = arguments.pop("path", None) or Path(tempfile.mkdtemp()) / "fitted"
    nb.save_influence(path=path, **arguments)
    return nb.load_influence(nb.DirectInfluence(MODEL_HERE, CE, 0.1),
                             path).self_influences(X, Y)


def loaded(path, train_loader):
    return nb.load_influence(nb.DirectInfluence(MODEL_HERE, CE, 0.1), path,
                             train_loader).self_influences(X, Y)


def a_saved():
    path = Path(tempfile.mkdtemp()) / "fitted"
    nb.save_influence(FIT, path)
    return path


def sourced(model, loss, run, x_test, y_test, x, y, **options):
    return nb.SourceInfluence(model, loss,
                              **options).fit(run).influences(x_test, y_test, x, y)


def a_csv():
    path = Path(tempfile.mkdtemp()) / "labels.csv"
    path.write_text("id,label\n0,a\n1,b\n")
    return path


def claimed(**arguments):
    os.environ["INFLUENCE_NB_CLAIMS"] = "1"
    return nb.claim("a is larger than b", **arguments, chapter="a",
                    folder=stored_folder(empty=True)).interval


def barred():
    with nb.progress_bars(): return FIT.self_influences(X, Y)


def plain():
    with nb.plain_forms(): return FIT.self_influences(X, Y)


def stored_folder(empty=False):
    folder = Path(tempfile.mkdtemp())
    if empty: return folder
    (folder / "a.json").write_text('{"x": 1.0}')
    return folder


def review(**arguments): return nb.Review(**arguments).order
def line(z, mu_1, mu_2): return nb.decision_boundary_fixed_variance_2d(mu_1, mu_2)(z)


BASIC = dict(model=(MODEL_HERE, MODEL), loss=(CE, LOSS))
DATA = dict(x=(X, REAL), y=(Y, LABELS))
TEST = dict(x_test=(XT, REAL), y_test=(YT, LABELS))
LAM = dict(hessian_regularization=(0.1, NUMBER))
OF_F = dict(f=(f, FITTED))
STRUCTURE = dict(second_order_mode=("hessian", WORD), block_structure=("layer", WORD))
ASKED = BASIC | LAM | TEST | DATA | dict(
    train_loader=([(X, Y)], LOADER), mode=("up", WORD),
    measure=(CE_each := (lambda o, y: F.cross_entropy(
        o, y, reduction="none")), {n: FUNCTION[n] for n in FUNCTION if n != "None"}))
SEED = dict(seed=(3, WHOLE))
PAIRS = either(REAL, "too short", "too wide", "in float32", "half precision",
               "whole numbers", "true or false")
POINT = dict(x=(POINTS, REAL), y=(BITS, LABELS))
# a review only shows its inputs: any table or picture, gaps included; and any labels
SHOWN = dict(x=(POINTS, either(REAL, "with NaN", "with infinity", "complex",
                               "one dimension more", "too wide")),
             y=(BITS, either(LABELS, "negative", "too large")))
MEANS = dict(means=([[0.0, 0.0], [1.0, 1.0]], either(REAL, "too wide")),
             sigma=(0.5, NUMBER))
AX = dict(ax=(None, AXES))
INVERSE = dict(curvature=(CURV, CURVATURE))


def plan():
    "name → (function, {argument: (good value, table of bad values)})"
    D, G = {n: v for n, v in PASS.inputs.items()}, torch.randn(4, 5,
                                                               dtype=torch.float64)
    cotangent = nb.output_gradients(f, PASS.outputs, Y)
    deltas = PASS.pull_back(cotangent)
    solve = lambda cls: lambda curvature, **options: cls(curvature, **options)(ONES)
    influence = dict(influence=(FIT, FITTED))
    trained_model, run = a_run()
    make = lambda model, loss, damping, **given: nb.DirectInfluence(
        model, loss, damping, **given)
    options = {"DirectInfluence": {}, "CgInfluence": dict(
        rtol=(1e-9, MAYBE_NUMBER), atol=(0.0, NUMBER), maxiter=(200, MAYBE_WHOLE),
        preconditioner=(
            nb.JacobiPreconditioner(), either(FUNCTION, "None"))),
        "LissaInfluence": dict(maxiter=(2000, WHOLE), dampen=(0.0, NUMBER),
                               scale=(2.0, MAYBE_NUMBER), rtol=(1e-3, NUMBER)),
        "ArnoldiInfluence": dict(rank=(2, WHOLE), steps=(9, MAYBE_WHOLE)) | SEED,
        "NystroemSketchInfluence": dict(rank=(2, WHOLE)) | SEED}
    found = {name: (ask(getattr(nb, name)), ASKED | STRUCTURE | more)
             for name, more in options.items()}
    asked = {"x": (X, REAL), "y": (Y, LABELS), "measure": ASKED["measure"]}
    fitted = {"direct": FIT,
              "EKFAC": nb.EkfacInfluence(MODEL_HERE, CE, 0.1).fit([(X, Y)]),
              "unrolled": nb.UnrolledInfluence(trained_model, CE).fit(run)}
    for word, I in fitted.items():
        some = {key: asked[key] for key in ("x", "y")}
        found[f"{word} self_influences"] = I.self_influences, some
        if word == "unrolled": continue
        found[f"{word} influence_factors"] = I.influence_factors, asked
        found[f"{word} influences_from_factors"] = (
            I.influences_from_factors, some | dict(
                factors=(torch.ones(2, P).double(), either(REAL, "too short")),
                mode=("up", WORD)))
        found[f"{word} influences_by_block"] = (
            I.influences_by_block, some | TEST | dict(mode=("up", WORD)))
        found[f"{word} influences of a loader"] = (
            lambda x_test, x, I=I: I.influences(x_test, x=x),
            {"x_test": ([(X, Y)], LOADER), "x": ([(X, Y)], without(LOADER, "None"))})
    found["EkfacInfluence"] = ask(nb.EkfacInfluence), ASKED | dict(
        second_order_mode=("gauss_newton", WORD), block_structure=("layer", WORD),
        fisher=("exact", WORD),
        random_state=(0, WHOLE), update_diagonal=(True, SWITCH),
        layers=(None, {n: WORD[n] for n in ("nonsense", "a number")}),
        parameters=(None, {n: WORD[n] for n in ("nonsense", "a number")}))
    found["InverseHarmonicMeanInfluence"] = (
        ask(nb.InverseHarmonicMeanInfluence), ASKED | dict(
            second_order_mode=("empirical_fisher", WORD),
            block_structure=("layer", WORD)))
    found |= {
        "Influence": (lambda **k: nb.Influence(MODEL_HERE, CE, **k), dict(
            hessian_regularization=(0.1, either(NUMBER, "dict"))) | STRUCTURE),
        "LossOfParameters": (
            lambda model, loss, target: nb.LossOfParameters(model, loss, target).theta,
            {"model": (BASIC["model"][0], without(
                MODEL, "with NaN", "on no device", "of other inputs", "that raises")),
             "loss": (BASIC["loss"][0], {n: LOSS[n] for n in ("None", "text")}),
             "target": ("labels", {})}),
        "Curvature": (
            lambda f, data, second_order_mode, hessian_regularization: nb.Curvature(
                f, data, second_order_mode, hessian_regularization) @ ONES[:, :1],
            OF_F | LAM | dict(data=([(X, Y)], LOADER),
                              second_order_mode=("hessian", WORD))),
        "Batches": (
            lambda data, device: [torch.cat(part)
                                  for part in zip(*nb.Batches(data, device))],
            dict(data=([(X, Y)], without(LOADER, "of other lengths", "empty",
                                         "an exhausted generator")),
                 device=("cpu", {n: WORD[n] for n in ("nonsense", "a list")}))),
        "Inputs": (lambda parts: len(nb.Inputs(parts)),
                   dict(parts=((X, XT),
                               {n: FITTED[n]
                                for n in ("None", "text", "a thing", "a number")}))),
        "check_mean": (nb.check_mean, OF_F | DATA),
        "plain_loss": (lambda model, loss: nb.plain_loss(model, loss)[1],
                       {"model": (MODEL_HERE,
                                  {n: MODEL[n]
                                   for n in ("None", "text", "a function",
                                             "without parameters")}),
                        "loss": (CE, {})}),
        "per_sample_gradients": (nb.per_sample_gradients,
                                 OF_F | DATA | dict(chunk_size=(3, MAYBE_WHOLE))),
        "mixed_gradients": (nb.mixed_gradients,
                            OF_F | DATA | dict(chunk_size=(3, MAYBE_WHOLE))),
        "layer_pass": (lambda f, x: nb.layer_pass(f, x).outputs,
                       OF_F | dict(x=(X, either(REAL, "too short")))),
        "linear_layers": (lambda f: list(nb.linear_layers(f)), OF_F),
        "output_gradients": (nb.output_gradients,
                             OF_F | dict(outputs=(PASS.outputs,
                                                  either(REAL, "too wide")),
                                         y=(Y, LABELS))),
        "flat_gradients": (nb.flat_gradients,
                           OF_F | dict(inputs=(D, TABLE), deltas=(deltas, TABLE))),
        "layer_products": (nb.layer_products,
                           {k: (v, either(REAL, "one dimension more"))
                            for k, v in dict(a=D["0"], delta=deltas["0"],
                                             other_a=D["0"],
                                             other_delta=deltas["0"]).items()}),
        "conjugate_gradient": (lambda **k: nb.conjugate_gradient(**k).solution,
                               dict(A=(A, MATRIX), B=(B, either(REAL, "too wide")),
                                    rtol=(1e-9, MAYBE_NUMBER), atol=(0.0, NUMBER),
                                    maxiter=(40, MAYBE_WHOLE),
                                    preconditioner=(None, without(FUNCTION, "None")))),
        "plain_conjugate_gradient": (nb.plain_conjugate_gradient,
                                     dict(A=(A, without(MATRIX, "true or false")),
                                          b=(B[:, 0].clone(), REAL),
                                          rtol=(1e-9, NUMBER), maxiter=(50, WHOLE))),
        "neumann_series": (lambda **k: nb.neumann_series(**k).solution,
                           dict(A=(A, MATRIX), B=(B, either(REAL, "too wide")),
                                scale=(7.0, NUMBER), rtol=(1e-3, NUMBER),
                                maxiter=(200, WHOLE), smallest=(0.9, NUMBER))),
        "plain_neumann_series": (nb.plain_neumann_series,
                                 dict(A=(A, MATRIX), B=(B, either(REAL, "too wide")),
                                      scale=(7.0, without(NUMBER, "tiny")),
                                      steps=(20, WHOLE))),
        "stochastic_series": (nb.stochastic_series,
                              INVERSE | dict(B=(torch.ones(P, 1).double(),
                                                either(REAL, "too wide")),
                                             scale=(3.0, NUMBER), batch_size=(7, WHOLE),
                                             steps=(9, WHOLE), repeats=(1, WHOLE))
                              | SEED),
        "largest_eigenvalue": (nb.largest_eigenvalue,
                               dict(A=(A, MATRIX), iterations=(9, WHOLE),
                                    starts=(2, WHOLE)) | SEED),
        "arnoldi": (nb.arnoldi,
                    dict(A=(A, MATRIX),
                         q=(B[:, 0] / B[:, 0].norm(),
                            without(REAL, "whole numbers", "true or false")),
                         steps=(3, WHOLE))),
        "nystroem_matrix": (nb.nystroem_matrix, dict(A=(A, MATRIX), Omega=(B, REAL))),
        "ArnoldiInverse": (solve(nb.ArnoldiInverse),
                           INVERSE | dict(rank=(2, WHOLE), steps=(9, MAYBE_WHOLE))
                           | SEED),
        "NystroemInverse": (solve(nb.NystroemInverse),
                            INVERSE | dict(rank=(2, WHOLE)) | SEED),
        "LowRankInverse": (lambda **k: nb.LowRankInverse(**k)(B),
                           dict(values=(torch.tensor([3.0, 2.0]).double(), REAL),
                                vectors=(torch.eye(5).double()[:, :2],
                                         without(REAL, "too short"))) | LAM),
        "EkfacInverse":
            (lambda curvature, **k: nb.EkfacInverse(curvature, **k)(ONES[:, :1]),
             dict(curvature=(CURV, FITTED), fisher=("exact", WORD),
                  random_state=(0, WHOLE), update_diagonal=(True, SWITCH))),
        "harmonic_mean": (nb.harmonic_mean,
                          dict(G=(G, BLOCK), B=(B, either(REAL, "too wide"))) | LAM),
        "JacobiPreconditioner": (
            lambda probes, seed, curvature:
                nb.JacobiPreconditioner(probes, seed)(curvature)(ONES[:, :1]),
            dict(probes=(5, MAYBE_WHOLE)) | SEED | INVERSE),
        "NystroemPreconditioner": (
            lambda rank, second_order_mode, seed, curvature: nb.NystroemPreconditioner(
                rank, second_order_mode=second_order_mode, seed=seed)(curvature)(
                    ONES[:, :1]),
            dict(rank=(2, WHOLE),
                 second_order_mode=("gauss_newton", without(WORD, "None")))
            | SEED | INVERSE),
        "block_conjugate_gradient":
            (lambda **k: nb.block_conjugate_gradient(A, **k).solution,
             dict(B=(B, either(REAL, "too wide")),
                  rtol=(1e-6, without(MAYBE_NUMBER, "tiny")),
                  maxiter=(20, MAYBE_WHOLE),
                  coarse=(None, without(FUNCTION, "None")))),
        "BlockCgInfluence": (
            lambda x, y, **k: nb.BlockCgInfluence(
                MODEL_HERE, CE, 0.5, second_order_mode="gauss_newton", **k).fit(
                    [(X, Y)]).influences(XT, YT, x, y),
            DATA | dict(mixed_precision=(True, SWITCH))),
        "EkfacPreconditioner":
            (lambda curvature, **k: nb.EkfacPreconditioner(**k)(curvature)(ONES[:, :1]),
             dict(curvature=(CURV, FITTED), fisher=("exact", WORD),
                  random_state=(0, WHOLE), update_diagonal=(True, SWITCH))),
        "preconditioned_neumann":
            (lambda **k: nb.preconditioned_neumann(A, B, lambda R: R / 7, **k),
             dict(steps=(3, WHOLE), step_size=(1.0, MAYBE_NUMBER))),
        "ErrorBars": (
            lambda influence, smallest, x, y, iterations: nb.ErrorBars(
                influence, [(X, Y)], smallest=smallest).self_influences(
                    x, y, iterations=iterations),
            influence | DATA | dict(smallest=(0.1, without(MAYBE_NUMBER, "tiny")),
                                    iterations=(2, MAYBE_WHOLE))),
        "sampling_errors":
            (lambda x, y: nb.sampling_errors(FIT, [(X, Y)], XT[:1], YT[:1], x, y),
             DATA),
        "gauss_newton_diagonal": (nb.gauss_newton_diagonal,
                                  dict(curvature=(CURV, FITTED))),
        "leave_one_out": (nb.leave_one_out,
                          BASIC | DATA | TEST | LAM
                          | dict(indices=([2, 1], either(INDICES, "None")),
                                 delete=(False, SWITCH))),
        "leave_one_out_loss": (nb.leave_one_out_loss, BASIC | DATA | LAM),
        "leave_one_out_parameters": (nb.leave_one_out_parameters,
                                     BASIC | DATA | LAM
                                     | dict(indices=([2, 1], either(INDICES, "None")),
                                            delete=(False, SWITCH))),
        "newton_step_parameters": (nb.newton_step_parameters,
                                   BASIC | DATA | LAM
                                   | dict(indices=([2, 1], either(INDICES, "None")))),
        "losses_at": (nb.losses_at,
                      OF_F | DATA | dict(thetas=(f.theta[None].repeat(2, 1),
                                                 either(REAL, "too short")))),
        "deletion_changes": (nb.deletion_changes,
                             influence | TEST | DATA
                             | dict(num_training=(N, MAYBE_WHOLE))),
        "sandwich_covariance": (nb.sandwich_covariance, influence | DATA),
        "linear_datamodeling_score": (
            lambda **k: nb.linear_datamodeling_score(**k)[:3],
            dict(influences=(torch.randn(3, 8).double(), REAL),
                 masks=(nb.subset_masks(8, 6), REAL),
                 losses=(torch.randn(6, 3).double(), REAL))),
        "losses_after_training": (nb.losses_after_training,
                                  dict(train=(train, FUNCTION), loss=(CE, LOSS),
                                       masks=(nb.subset_masks(N, 3),
                                              either(REAL, "too short"))) | TEST | dict(
            x=(X, either(REAL, "one dimension more", "too wide", "too short")),
            y=(Y, ANY))),
        "rank_correlation": (nb.rank_correlation,
                             dict(a=(B, REAL), b=(B.flip(0), REAL))),
        "subset_masks": (nb.subset_masks,
                         dict(n=(8, WHOLE), num_subsets=(3, WHOLE),
                              fraction=(0.5, NUMBER), random_state=(0, MAYBE_WHOLE))),
        "area_under_curve": (nb.area_under_curve,
                             dict(scores=(SCORES, BLOCK), flipped=(FLIPS, INDICES))),
        "average_precision": (nb.average_precision,
                              dict(scores=(SCORES, BLOCK), flipped=(FLIPS, INDICES))),
        "detection_curve": (nb.detection_curve,
                            dict(scores=(SCORES, BLOCK), flipped=(FLIPS, INDICES))),
        "detection_scores": (lambda **k: list(nb.detection_scores(**k).values()),
                             BASIC | DATA | LAM | dict(x_val=(XT, REAL),
                                                       y_val=(YT, LABELS),
                                                       folds=(2, WHOLE),
                                                       neighbors=(3, WHOLE),
                                                       random_state=(0, MAYBE_WHOLE))),
        "mean_influence": (nb.mean_influence, influence | TEST | DATA),
        "predicted_repair_change": (nb.predicted_repair_change,
                                    influence | DATA | TEST
                                    | dict(y_new=((Y + 1) % 3, LABELS))),
        "repair_labels": (nb.repair_labels,
                          dict(y=(BITS, either(LABELS, "negative", "too large")),
                               y_true=(1 - BITS,
                                       either(LABELS, "negative", "too large")),
                               suspects=(FLIPS, SOME))),
        "find_mislabeled": (lambda **k: nb.find_mislabeled(**k, progress=False).scores,
                            BASIC | DATA | dict(
            hessian_regularization=(0.1, either(NUMBER, "None", "dict")))
            | dict(method=("loss", either(WORD, "None")))),
        "gauss_newton_leave_one_out_loss": (nb.gauss_newton_leave_one_out_loss,
                                            BASIC | DATA | LAM),
        "knn_shapley": (nb.knn_shapley,
                        dict(x=(X, either(REAL, "one dimension more")),
                             y=(Y, either(LABELS, "negative", "too large")),
                             x_val=(XT, either(REAL, "one dimension more")),
                             y_val=(YT, either(LABELS, "negative", "too large")),
                             neighbors=(3, WHOLE))),
        "output_derivatives": (nb.output_derivatives, OF_F | DATA),
        "attack_training_set": (lambda **k: nb.attack_training_set(**k).losses,
                                BASIC | DATA | TEST | LAM
                                | dict(max_change=(0.1, NUMBER), num_points=(1, WHOLE),
                                       iterations=(1, WHOLE),
                                       until=(None, without(FUNCTION, "None")))),
        "training_input_gradients": (nb.training_input_gradients,
                                     influence | DATA | TEST),
        "proximal_bregman_response": (nb.proximal_bregman_response,
                                      OF_F | DATA | dict(indices=([1], INDICES),
                                                         damping=(0.1, NUMBER))),
        "train_copies": (nb.train_copies,
                         OF_F | DATA | {"hessian_regularization":
                                            (0.1, without(NUMBER, "huge"))}
                         | dict(thetas=(f.theta[None].clone(), REAL),
                                weights=(torch.ones(1, N).double(), REAL),
                                steps=(2, WHOLE),
                                learning_rate=(0.03, without(NUMBER, "huge")),
                                momentum=(0.9, NUMBER))),
        "tracin": (nb.tracin,
                   OF_F | TEST | DATA
                   | dict(checkpoints=(f.theta[None].repeat(2, 1), REAL),
                          rates=([0.1, 0.2], REAL))),
        "TrainingRun": (run_of,
                        BASIC | {"model": (MODEL_HERE,
                                           without(MODEL, "a class",
                                                   "without parameters"))} | DATA
                        | dict(optimizer=("SGD", FITTED))),
        "UnrolledInfluence": (unrolled,
                              {**BASIC, "model": (trained_model, MODEL)} | TEST | DATA
                              | dict(every=(1, WHOLE), run=(run, FITTED))),
        "fit_to_optimum": (optimum,
                           BASIC | DATA | LAM
                           | dict(sample_weights=(torch.ones(N).double(),
                                                  either(REAL, "None")),
                                  tol=(1e-6, MAYBE_NUMBER), max_iter=(50, WHOLE))),
        "fit_torch_model": (trained,
                            dict(loss=(CE, either(LOSS, "a sum")),
                                 training_data=([(X, Y)],
                                                either(LOADER, "a data set",
                                                       "a DataLoader")),
                                 val_data=([(XT, YT)], LOADER), num_epochs=(1, WHOLE),
                                 optimizer=("SGD", FITTED),
                                 model=(MODEL_HERE,
                                        {n: MODEL[n]
                                         for n in ("None", "text", "a function",
                                                   "a class", "without parameters",
                                                   "frozen")}),
                                 device=("cpu",
                                         {n: WORD[n] for n in ("nonsense",
                                                               "a list")}))),
        "TorchLogisticRegression":
            (lambda n_input: nb.TorchLogisticRegression(n_input).linear.weight.shape,
             dict(n_input=(2, WHOLE))),
        "TorchMLP": (
            lambda layer_sizes, activation: len(nb.TorchMLP(layer_sizes, activation)),
            dict(layer_sizes=([2, 3, 1], {
                n: REAL[n] for n in (*NO_ARRAY, "with NaN", "complex")} | {
                "negative": (ERROR, lambda v: [2, -1]),
                "halves": (ERROR, lambda v: [2, 1.5]),
                "zero": (ERROR, lambda v: [2, 0])}), activation=(nn.Tanh, FUNCTION))),
        "sample_gaussian_blobs": (nb.sample_gaussian_blobs,
                                  MEANS | dict(num_samples=(9, WHOLE),
                                               random_state=(0, MAYBE_WHOLE))),
        "synthetic_classification_dataset": (
            nb.synthetic_classification_dataset,
            MEANS | dict(num_samples=(20, WHOLE), train_size=(0.5, NUMBER),
                         test_size=(0.3, NUMBER), random_state=(0, MAYBE_WHOLE))),
        "decision_boundary_fixed_variance_2d": (line,
                                                dict(mu_1=([0.0, 0.0], REAL),
                                                     mu_2=([1.0, 1.0], REAL),
                                                     z=([0.0, 1.0],
                                                        either(BLOCK, "an empty list",
                                                               "empty")))),
        "bayes_posterior": (nb.bayes_posterior,
                            MEANS | dict(x=(POINTS, either(REAL, "too short")))),
        "bayes_error": (nb.bayes_error,
                        dict(mu_1=([0.0, 0.0], REAL), mu_2=([1.0, 1.0], REAL),
                             sigma=(0.5, NUMBER))),
        "bayes_flip_probability": (nb.bayes_flip_probability,
                                   MEANS | POINT | dict(flip_rate=(0.1, NUMBER))),
        "flip_labels": (nb.flip_labels,
                        dict(y=(BITS, either(LABELS, "too short")),
                             indices=([1, 2], either(INDICES, "an empty list")),
                             random_state=(0, MAYBE_WHOLE),
                             num_classes=(2, MAYBE_WHOLE))),
        "relative_error": (nb.relative_error,
                           dict(actual=(B, MEASURED), expected=(B + 1, MEASURED))),
        "check_close": (nb.check_close,
                        dict(actual=(B, REAL), expected=(B, REAL), tol=(1e-9, NUMBER))),
        "data_fingerprint": (lambda x, y: len(nb.data_fingerprint(x, y)),
                             dict(x=(POINTS, ANY), y=(BITS, ANY))),
        "Review": (review,
                   SHOWN | dict(scores=(SCORES, REAL),
                                classes=([0, 1], either(FITTED, "None")),
                                path=(None, {}), limit=(5, WHOLE))),
        "review_labels": (pictures(nb.review_labels),
                          SHOWN | dict(scores=(SCORES, REAL), limit=(5, WHOLE))),
        "decision_table": (nb.decision_table,
                           dict(review=(nb.Review(POINTS, BITS, SCORES), FITTED))),
        "next_undecided": (nb.next_undecided,
                           dict(review=(nb.Review(POINTS, BITS, SCORES), FITTED),
                                after=(-1, WHOLE))),
        "strongest_influences": (nb.strongest_influences,
                                 dict(influence=(FIT, FITTED),
                                      suspects=([1, 2], INDICES), k=(2, WHOLE)) | DATA),
        "Slider": (lambda **k: nb.Slider(**k).values(),
                   dict(label=("λ", either(FITTED, "text")),
                        low=(0.0, either(NUMBER, "negative")), high=(1.0, NUMBER),
                        value=(0.5, NUMBER), step=(0.25, NUMBER))),
        "Choice": (lambda **k: nb.Choice(**k).values(),
                   dict(label=("λ", either(FITTED, "text")), options=((1, 2), FITTED),
                        value=(1, either(FITTED, "a number")))),
        "Toggle": (lambda **k: nb.Toggle(**k).values(),
                   dict(label=("λ", either(FITTED, "text")), value=(True, SWITCH))),
        "Claim": (lambda **k: nb.Claim(**k).interval, dict(
            statement=("a", {}), chapter=("b", {}), rule=("c", {}),
            found=((1.0, 2.0), {}), fresh=((1.0, 2.0), {}))),
        "claim": (claimed,
                  dict(found=(list(range(10)), PAIRS),
                       fresh=(list(range(1, 11)), PAIRS))),
        "all_claims": (lambda folder: len(nb.all_claims(folder)),
                       dict(folder=(stored_folder(empty=True), {
            n: FITTED[n] for n in ("None", "a thing", "a number")}))),
        "holm": (nb.holm,
                 dict(p_values=([0.01, 0.3],
                                either(REAL, "too short", "too wide", "whole numbers",
                                       "true or false", "in float32",
                                       "half precision")))),
        "push_through": (nb.push_through,
                         dict(U=(G, BLOCK), B=(B, either(REAL, "too wide")),
                              n=(4, either(WHOLE, "huge"))) | LAM),
        "PushThroughInverse": (
            lambda curvature, max_elements:
                nb.PushThroughInverse(curvature, max_elements)(ONES),
            INVERSE | dict(max_elements=(2**20, WHOLE))),
        "PushThroughInfluence": (ask(nb.PushThroughInfluence), ASKED | dict(
            second_order_mode=("gauss_newton", WORD))),
        "effective_dimension": (nb.effective_dimension,
                                dict(eigenvalues=([3.0, 1.0, 0.1], either(
            REAL, "too short", "too wide", "in float32", "half precision",
            "whole numbers", "true or false"))) | LAM),
        "implied_penalty": (nb.implied_penalty, BASIC | DATA),
        "held_out_losses": (nb.held_out_losses,
                            dict(train=(train, FUNCTION), loss=(CE, LOSS),
                                 folds=(3, WHOLE),
            random_state=(0, either(WHOLE, "None"))) | DATA),
        "choose_regularization": (lambda **k: nb.choose_regularization(**k)[:1],
                                  BASIC | DATA | dict(
            rule=(None, {n: WORD[n] for n in ("nonsense", "a number", "a list")}),
            candidates=([0.1, 1.0], {
                n: either(REAL, "None", "a set")[n]
                for n in (*NO_ARRAY, "with NaN", "complex", "empty")}
                | {"negative": (ERROR, lambda v: [-1.0, 1.0])}),
            folds=(2, WHOLE), random_state=(0, either(WHOLE, "None")))),
        "training_run_penalty": (nb.training_run_penalty, dict(run=(run, FITTED | {
            "without a rate": (ERROR, lambda v: {"steps": 3}), "a negative rate": (
                ERROR, lambda v: {"learning_rate": -1.0, "steps": 3})}))),
        "metasmoothness": (nb.metasmoothness,
                           dict(run=(run, FITTED),
                                direction=(torch.ones(N).double(),
                                           either(REAL, "in float32")),
                                step=(0.01, either(NUMBER, "tiny", "zero")))),
        "plain_forms": (lambda: plain(), {}),
        "progress_bars": (lambda: barred(), {}),
        "zoo_case": (lambda **k: len(nb.zoo_case(**k)),
                     dict(name=(ZOO[0],
                                {n: WORD[n] for n in ("nonsense", "a number", "None")}),
                          seed=(0, WHOLE))),
        "zoo_report": (lambda **k: len(nb.zoo_report(**k)), dict(names=(ZOO[:1], {
            n: FITTED[n] for n in ("text", "a number", "a thing")}), methods=(ZOO[1:], {
            n: FITTED[n] for n in ("text", "a number", "a thing")}),
            dtypes=([torch.float64],
                    {n: FITTED[n] for n in ("text", "a number", "a thing")}))),
        "check_zoo": (nb.check_zoo,
                      dict(rows=(nb.zoo_report(ZOO[:1], methods=ZOO[1:]), FITTED))),
        "agreement": (nb.agreement,
                      dict(first=(DECIDED[0], FITTED), second=(DECIDED[1], FITTED))),
        "consensus": (lambda **k: nb.consensus(**k).labels,
                      dict(reviews=(DECIDED, FITTED), steps=(5, WHOLE))),
        "duplicate_groups": (nb.duplicate_groups,
                             dict(X=(POINTS, NAMELESS), near=(0.05, NUMBER))),
        "row_names": (lambda X: len(nb.row_names(X)), dict(X=(POINTS, NAMELESS))),
        "table_faults": (lambda **k: len(nb.table_faults(**k)),
                         dict(X=(POINTS, NAMELESS), y=(BITS, WORDS))),
        "messy_table": (lambda **k: nb.messy_table(**k)[0].shape,
                        dict(seed=(0, WHOLE), distance=(4.6, NUMBER),
                             wrong=(0.12, NUMBER))),
        "coded_labels": (lambda y: nb.coded_labels(y)[0], dict(y=(BITS, WORDS))),
        "confident_joint": (nb.confident_joint,
                            dict(codes=(BITS, LABELS),
                                 probabilities=(PROBABLE, either(REAL, "too wide")))),
        "count_wrong": (lambda **k: list(nb.count_wrong(**k)),
                        dict(codes=(BITS, LABELS),
                             probabilities=(PROBABLE, either(REAL, "too wide")))),
        "relabeled": (nb.relabeled,
                      dict(y=(BITS, WORDS),
                           changes=({1: 0},
                                    {n: TABLE[n]
                                     for n in ("None", "text", "a number", "a thing",
                                               "a set")}))),
        "leave_one_out_outputs": (nb.leave_one_out_outputs, BASIC | DATA | LAM),
        "held_out_probabilities": (nb.held_out_probabilities,
                                   dict(estimator=(SKLEARN, FITTED),
                                        X=(POINTS, TABULAR), y=(BITS, WORDS),
                                        folds=(3, WHOLE),
                                        random_state=(0, MAYBE_WHOLE))),
        "estimator_twin": (lambda **k: nb.estimator_twin(**k).x,
                           dict(estimator=(SKLEARN, FITTED), X=(POINTS, TABULAR),
                                y=(BITS, WORDS))),
        "rank_table": (lambda **k: nb.rank_table(**k, progress=False).scores,
                       dict(estimator=(SKLEARN, without(FITTED, "None")),
                            X=(POINTS, TABULAR), y=(BITS, WORDS),
                            method=(None,
                                    {n: WORD[n] for n in ("nonsense", "a number",
                                                          "a list")}))),
        "label_studio_config": (
            nb.label_studio_config,
            dict(classes=(["a", "b"], either(FITTED, "text", "a tensor", "a set")),
                 fields=(["c"], either(FITTED, "text", "a tensor", "a set")))),
        "to_label_studio": (lambda **k: len(nb.to_label_studio(**k)),
                            dict(suspects=(SUSPECTS, FITTED), count=(2, MAYBE_WHOLE))),
        "to_argilla": (lambda **k: len(nb.to_argilla(**k)),
                       dict(suspects=(SUSPECTS, FITTED), count=(2, MAYBE_WHOLE))),
        "to_cleanlab": (lambda suspects: len(nb.to_cleanlab(suspects)),
                        dict(suspects=(SUSPECTS, FITTED))),
        "from_cleanlab": (lambda frame: nb.from_cleanlab(frame).scores,
                          dict(frame=(nb.to_cleanlab(SUSPECTS), FITTED))),
        "from_label_studio": (lambda source: len(nb.from_label_studio(source).labels),
                              dict(source=(nb.to_label_studio(SUSPECTS), FITTED))),
        "from_argilla": (lambda source: len(nb.from_argilla(source).labels),
                         dict(source=(nb.to_argilla(SUSPECTS), FITTED))),
        "from_csv": (lambda path: len(nb.from_csv(path).labels),
                     dict(path=(a_csv(), FITTED))),
        "streaming_cost": (lambda **k: len(nb.streaming_cost(**k)),
                           influence | TEST | DATA),
        "fitting_cost": (lambda **k: nb.fitting_cost(**k).samples,
                         influence | dict(train_loader=([(X, Y)], LOADER),
                                          max_points=(8, WHOLE))),
        "influence_blocks":
            (lambda **k: [block for *_, block in nb.influence_blocks(**k)],
             influence | TEST | DATA),
        "mean_influences": (lambda **k: nb.mean_influences(**k, progress=False),
                            influence | TEST | DATA),
        "most_influential": (lambda **k: list(nb.most_influential(**k, progress=False)),
                             influence | TEST | DATA | dict(k=(2, WHOLE))),
        "streamed_self_influences": (nb.streamed_self_influences,
                                     influence | DATA
                                     | dict(max_bytes=(2**20, either(WHOLE, "None")))),
        "save_influence": (saved,
                           influence | dict(path=(Path(tempfile.mkdtemp()) / "fitted",
                                                  without(FITTED, "None", "text")))),
        "load_influence": (loaded,
                           dict(path=(a_saved(), FITTED),
                                train_loader=([(X, Y)], without(LOADER, "None")))),
        "ClusterInfluence": (
            lambda influence: nb.ClusterInfluence(influence).influence.influences(X, Y),
            influence),
        "write_influences": (written,
                             influence | TEST | DATA | dict(store=("npy", WORD))),
        "TwoModels":
            (lambda first, second: len(list(nb.TwoModels(first, second).parameters())),
             dict(
            first=(MODEL_HERE, {n: MODEL[n] for n in ("None", "text", "a function")}),
            second=(MODEL_HERE,
                    {n: MODEL[n] for n in ("None", "text", "a function")}))),
        "sum_of_losses":
            (lambda loss: nb.sum_of_losses(loss)((MODEL_HERE(X), MODEL_HERE(X)), Y),
             dict(loss=(CE, {n: LOSS[n] for n in ("None", "text")}))),
        "Decision": (lambda **k: len(nb.Decision(**k, question=question).f.theta),
                     {"x": (X, REAL), "y": (Y, LABELS)} | LAM | dict(f=(f, FITTED))),
        "group_parameters": (nb.group_parameters,
                             BASIC | DATA | LAM
                             | dict(groups=([[1, 2]], {n: FITTED[n] for n in FITTED}),
                                    method=("newton", WORD))),
        "least_squares_bound": (nb.least_squares_bound,
                                dict(X=(POINTS,
                                        either(REAL, "too short", "too wide",
                                               "one dimension more")),
                                     y=(SCORES, either(REAL, "too short")),
                                     direction=([1.0, 0.0], REAL),
                                     distance=(0.1, NUMBER))),
        "method_agreement": (lambda **k: list(nb.method_agreement(**k)),
                             dict(a=(SCORES, either(REAL, "one dimension more")),
                                  b=(SCORES[::-1].copy(),
                                     either(REAL, "one dimension more")),
                                  k=(3, WHOLE))),
        "removal_curve":
            (lambda **k: nb.removal_curve(**k, measure=question, num_random=2,
                                          counts=[1, 2]).values,
             BASIC | DATA | LAM | dict(order=([1, 2, 3], INDICES))),
        "smallest_change": (
            lambda **k: nb.smallest_change(**k, question=question)[:4],
            BASIC | DATA | LAM | dict(max_points=(3, MAYBE_WHOLE),
                                      max_refits=(10, either(WHOLE, "zero")))),
        "top_k_stability": (lambda **k: list(nb.top_k_stability(**k)),
                            dict(scores=(lambda rows: SCORES[rows], FUNCTION),
                                 n=(N, WHOLE), k=(3, WHOLE), num_resamples=(3, WHOLE),
                                 random_state=(0, either(WHOLE, "None")))),
        "minres": (lambda **k: nb.minres(**k).solution,
                   dict(A=(A, MATRIX), B=(B, either(REAL, "too wide")),
                        rtol=(1e-6, MAYBE_NUMBER),
                        maxiter=(50, either(WHOLE, "None", "huge")))),
        "spectral_density": (lambda **k: list(nb.spectral_density(**k)),
                             dict(A=(A, MATRIX), steps=(4, either(WHOLE, "huge")),
                                  probes=(2, without(WHOLE, "huge")), seed=(3, WHOLE))),
        "SourceInfluence": (sourced,
                            {**BASIC, "model": (trained_model, MODEL)} | TEST | DATA
                            | dict(segments=(2, WHOLE), checkpoints=(1, WHOLE),
                                   basis=("dense", WORD), run=(run, FITTED))),
        "explore": (lambda draw: nb.explore(draw),
                    dict(draw=(lambda: plt.plot([1]), FUNCTION))),
        "Exercise": (lambda **k: nb.Exercise(**k).expected,
                     dict(solution=(lambda a: a, FUNCTION),
                          cases=([(1.0,), (2.0,)], either(FITTED, "text")),
                          mistakes=({"too large": lambda a: a + 1,
                                     "too small": lambda a: a - 1}, FITTED),
                          tol=(1e-6, without(NUMBER, "huge")))),
        "measure_cost": (lambda step: nb.measure_cost(step).result,
                         dict(step=(lambda: 1.0, FUNCTION))),
        "code_of": (lambda compute: len(nb.code_of(compute)),
                    dict(compute=(a_run, FUNCTION))),
        "made_by": (nb.made_by,
                    dict(results=({"made": {"date": "2000-01-01"}}, TABLE),
                         compute=(a_run, FUNCTION))),
        "made_with": (nb.made_with, {}),
        "stored": (lambda name, compute, folder: nb.stored(name, compute, folder),
                   dict(name=("a", FITTED), compute=(a_run, {}),
                        folder=(stored_folder(), TABLE))),
        "comments_in_help": (nb.comments_in_help,
                             dict(package=("influence_nb", either(FITTED, "text")))),
        "influence_cases": (lambda **k: len(nb.influence_cases(**k)),
                            dict(dtype=(torch.float64, either(FITTED, "None")),
                                 damping=(0.1, NUMBER))),
        "influence_report": (lambda make, **k: len(nb.influence_report(make, **k)),
                             dict(make=(make,
                                        {n: FUNCTION[n] for n in ("None", "a number")}),
                                  kinds=(["linear regression"], {}))),
        "check_influence_class":
            (lambda make, **k: len(nb.check_influence_class(make, **k)),
             dict(make=(make, {n: FUNCTION[n] for n in ("None", "a number")}),
                  kinds=(["linear regression"], {}))),
        "influence_explorer":
            (lambda **k: None if nb.influence_explorer(**k) is None else 1,
             dict(num_samples=(30, WHOLE), sigma=(0.4, NUMBER), flip_rate=(0.1, NUMBER),
                  regularization=(0.01, NUMBER), seed=(9, WHOLE))),
    }
    found |= {name: (pictures(getattr(nb, name)), arguments) for name, arguments in {
        "plot_blobs": dict(x=(POINTS, REAL),
                           y=(BITS, either(LABELS, "negative", "too large"))) | AX
        | dict(line=(np.eye(2), MAYBE_BLOCK), s=(9.0, MAYBE_NUMBER)),
        "plot_gaussian_blobs": dict(train=((POINTS, BITS), FITTED),
                                    test=((POINTS, BITS), FITTED),
                                    line=(np.eye(2), MAYBE_BLOCK)),
        "plot_influences": dict(x=(POINTS, REAL), influences=(SCORES, REAL),
                                corrupted_indices=(FLIPS, SOME),
                                colorbar_limits=((-1.0, 1.0), either(FITTED, "None")))
        | AX,
        "plot_losses": dict(losses=(nb.Losses([1.0], [1.0]), FITTED)) | AX,
        "plot_confusion_matrix":
            dict(y_true=(BITS, either(LABELS, "negative", "too large")),
                 y_pred=(BITS, either(LABELS, "negative", "too large"))) | AX,
        "plot_detection":
            dict(curves=({"loss": nb.detection_curve(SCORES, FLIPS)},
                         either(TABLE, "empty")), quantity=("recall", WORD),
                 largest_budget=(1.0, NUMBER)) | AX,
        "plot_suspects":
            dict(suspects=(nb.Suspects(np.arange(3), SCORES[:3], BITS[:3], BITS[:3],
                                       SCORES[:3], "loss"), FITTED),
                 draw=(lambda ax, i: ax.plot([1]), FUNCTION), count=(2, WHOLE),
                 columns=(2, WHOLE)),
        "plot_explorer": dict(explorer=(EXPLORER, FITTED), largest=(1.0, MAYBE_NUMBER))
        | AX,
    }.items()}
    return found


# named tuples that the library returns: they keep what they are given
RECORDS = {"MinresResult", "SpectralDensity", "MostInfluential", "ListAgreement",
           "RemovalCurve", "SmallestChange", "TopStability", "Agreement", "Bounds",
           "Consensus", "Fault", "Faults", "ReadLabels", "WrongCount",
           "RegularizationChoice", "Losses", "Optimum", "CgResult", "NeumannResult",
           "DatamodelingScore", "Attack", "Suspects", "Evidence",
           "Cost", "FitCost", "LayerPass"}


def public_names():
    return sorted(name for name in dir(nb) if not name.startswith("_")
                  and not inspect.ismodule(getattr(nb, name)))


def is_error_class(name):
    item = getattr(nb, name)
    return isinstance(item, type) and issubclass(item, (Exception, Warning))


# ── One call, and what is allowed to come of it ──────────────────────────────────────

class Hang(BaseException): pass


def alarm(*_): raise Hang


def numbers(result):
    "All numbers in a result, as one list of arrays"
    if isinstance(result, torch.Tensor):
        strided = result.device.type == "cpu" and result.layout == torch.strided
        return [result.detach().double().numpy() if strided else np.array(nan)]
    if isinstance(result, dict):
        return [a for part in result.values() for a in numbers(part)]
    if isinstance(result, (list, tuple, set, range)):
        return [a for part in result for a in numbers(part)]
    if isinstance(result, nb.Inputs): return numbers(result.tensors())
    if isinstance(result, np.ndarray) and result.dtype.kind in "fiub":
        return [result.astype(float)]
    if isinstance(result, (int, float, np.number)): return [np.array(float(result))]
    return []


def alike(result, expected, tol):
    a, b = numbers(result), numbers(expected)
    if len(a) != len(b): return False
    return all(x.shape == y.shape
               and np.allclose(x, y, rtol=tol,
                               atol=tol * (1e-12 + np.abs(y).max(initial=0)))
               for x, y in zip(a, b))


def outcome(function, arguments):
    "(result, None) or (None, what was raised); a hang is raised"
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(**arguments), None
    except Hang: return None, Hang()
    except Exception as error: return None, error
    finally: signal.setitimer(signal.ITIMER_REAL, 0)


def raw(error, word, where, innermost):
    "What is said of an error that no check of the library raised"
    return (f"raw {type(error).__name__} {word} {where.name}:{innermost.lineno}: "
            f"{str(error)[:90]!r}")


def fault_in(error, argument):
    "What is wrong with an error, or None"
    if isinstance(error, Hang): return f"hangs (over {SECONDS} s)"
    innermost = traceback.extract_tb(error.__traceback__)[-1]
    if isinstance(error, KeyError) and "user's own" in str(error): return None
    where = Path(innermost.filename)
    if where.parent != LIBRARY:
        if where == Path(__file__) and not isinstance(error, (TypeError, ValueError)):
            return None
        return raw(error, "from", where, innermost)
    named = (ValueError, TypeError, nb.NotFittedError, FileNotFoundError,
             AssertionError)
    if not isinstance(error, named): return raw(error, "at", where, innermost)
    lines = SOURCES[where]
    near = "\n".join(lines[max(0, innermost.lineno - 12):innermost.lineno])
    if not ("raise" in near or "assert" in near):
        return raw(error, "at", where, innermost)
    names = {argument, *NAMED.get(argument, ())}
    if not any(name in str(error) for name in names):
        return f"does not name {argument}: {str(error)[:110]!r}"


# an error may speak of the argument by another word
NAMED = {"actual": ("worst entries",), "expected": ("worst entries",),
         "X": ("x is", "x and y", "missing values"), "estimator": ("model must",),
         "source": ("must be a mapping",),
         "B": ("V must",), "hessian_regularization": ("scale",),
         "train_loader": ("loader", "x"), "y_test": ("take one sample alone",),
         "x_test": ("take one sample alone", "loader", "x holds", "x and y"),
         "data": ("loader", "x"),
         "training_data": ("loader", "batch", "x holds", "loss"),
         "val_data": ("loader", "batch", "x holds"), "layer_sizes": ("layer",),
         "high": ("value", "step"), "low": ("value", "step")}


def on_a_default_device(name, function, good, expected):
    "What is wrong with a good call where new tensors hold no numbers, or None"
    if name in ("influence_report", "check_influence_class"): return None  # it is long
    torch.set_default_device("meta")
    try: found, error = outcome(function, good)
    finally: torch.set_default_device(None)
    if error is not None: return error
    if not alike(found, expected, 1e-12): return "another result on a default device"


def fault_of(result, error, expected, expectation, argument, label):
    "What is wrong with the outcome of a call, or None"
    if error is not None:
        if expectation == SAME: return ("refuses what means the same: "
                                        f"{type(error).__name__}: {str(error)[:110]!r}")
        return fault_in(error, argument)
    if expectation == ERROR and not alike(result, expected, 1e-9):
        return "accepted, with another result"
    if expectation == ERROR: return "accepted, and ignored"
    if expectation == SAME and not alike(result, expected, 1e-6):
        return "another result"
    if any(not np.isfinite(a).all() for a in numbers(result)):
        return "NaN or infinite numbers"


def owned(value):
    "The bytes of what a user owns"
    if isinstance(value, nn.LazyLinear): return None
    if isinstance(value, nn.Module):
        return [t.detach().clone()
                for t in value.state_dict().values()] + [m.training
                                                         for m in value.modules()]
    if isinstance(value, torch.Tensor): return value.detach().clone()
    if isinstance(value, np.ndarray): return value.copy()
    return None


def same(a, b):
    "Whether two states are equal, NaN for NaN"
    if not isinstance(a, torch.Tensor): return a == b
    if a.is_meta or a.layout != torch.strided: return True
    return a.shape == b.shape and bool(((a == b) | ((a != a) & (b != b))).all())


def changed(value, before):
    if before is None: return False
    now = owned(value)
    if isinstance(value, nn.Module):
        return any(not same(a, b) for a, b in zip(before, now))
    if isinstance(value, torch.Tensor): return not same(before, now)
    if isinstance(value, np.ndarray):
        real = value.dtype.kind == "f"
        return value.dtype.kind in "fiub" and not np.array_equal(before, now,
                                                                 equal_nan=real)
    return False


def main(chosen=()):
    start = time.time()
    signal.signal(signal.SIGALRM, alarm)
    names, calls = public_names(), plan()
    missing = [n for n in names if n not in calls and n not in RECORDS
               and not is_error_class(n)]
    assert not missing, f"public names without a good call in tests/fuzz.py: {missing}"
    every = [(name, argument, label) for name, (_, arguments) in calls.items()
             for argument, (_, table) in arguments.items() for label in table]
    if chosen and chosen[0] != "all": every = [one for one in every if one[0] in chosen]
    elif not chosen: every = random.Random(0).sample(every, min(CALLS, len(every)))
    expected, failures = {}, []
    for name, argument, label in every:
        function, arguments = calls[name]
        good = {key: value for key, (value, _) in arguments.items()}
        if name not in expected:
            expected[name], error = outcome(function, good)
            fault = error or on_a_default_device(name, function, good, expected[name])
            if fault:
                failures.append((name, "", "good call",
                                 f"{type(fault).__name__}: {fault}"))
                print("  ".join(failures[-1]))
        expectation, make = arguments[argument][1][label]
        try: bad = make(good[argument])
        except Exception: continue  # there is no such value of this argument
        before = {key: owned(value) for key, value in good.items()}
        before_bad = owned(bad)
        result, error = outcome(function, {**good, argument: bad})
        fault = fault_of(result, error, expected[name], expectation, argument, label)
        if fault is None and any(changed(good[key], before[key]) for key in good):
            fault = "changes an argument"
        if fault is None and before_bad is not None and changed(bad, before_bad):
            fault = "changes its argument"
        if not fault: continue
        failures.append((name, argument, label, fault))
        if chosen or len(failures) <= LIMIT: print("  ".join(failures[-1]), flush=True)
    print(f"{len(every)} calls of {len(calls)} names in {time.time() - start:.0f} s, "
          f"{len(failures)} of them wrong")
    return not failures


if __name__ == "__main__": sys.exit(not main(sys.argv[1:]))
