"""How fast is this state of the library beside another one?

Two checkouts are given by their paths. Each measurement is a process of its own that
imports one of them, and the two take turns, so that what else the machine does weighs
on both. Of every workload (W1 to W7, as in `workloads.py`, but with networks that are
trained briefly here, so that nothing has to be prepared) the smallest processor time
and wall time of all rounds are kept: fit and influences, after one call to warm up.

    git archive first-edition | tar x -C /tmp/first
    OMP_NUM_THREADS=1 python benchmarks/against.py /tmp/first . --rounds 5 W1 W2

Prints a table: seconds of processor time of both and their quotient, and the same of
wall time. With `--json PATH` writes the numbers, too.
"""
import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

WORK = {  # name → seconds to spend on repetitions in one process
    "W1": 0.5, "W1cg": 0.3, "W2": 0.3, "W3": 2.0, "W4": 8.0, "W5": 2.0, "W6": 4.0,
    "W6n": 4.0, "W7": 4.0, "W7h": 0.5}


def blobs(n, seed, sigma=0.45):
    "Two blobs that overlap: x [n, 2] and y [n, 1], float64"
    import numpy as np
    import torch
    rng = np.random.default_rng(seed)
    y, means = rng.integers(0, 2, n), np.array([[0.0, 0.0], [1.0, 1.0]])
    x = torch.as_tensor(means[y] + sigma * rng.standard_normal((n, 2)))
    return x, torch.as_tensor(y, dtype=torch.float64)[:, None]


def loader(x, y):
    from torch.utils.data import DataLoader, TensorDataset
    return DataLoader(TensorDataset(x, y), batch_size=256)


def on_blobs(nb, kind, train, test, mode="up"):
    "A logistic regression at its optimum: a function without arguments"
    import torch
    import torch.nn.functional as F
    (x, y), (x_test, y_test) = train, test
    torch.manual_seed(0)
    model = nb.TorchLogisticRegression(2)
    nb.fit_to_optimum(model, F.binary_cross_entropy, x, y)
    def once():
        fitted = kind(model, F.binary_cross_entropy).fit(loader(x, y))
        return fitted.influences(x_test, y_test, x, y, mode=mode)
    return once


def on_digits(nb, kind, sizes, dtype, damping, tests, **options):
    "A network on the digits, two hundred steps of Adam: a function without arguments"
    import torch
    import torch.nn.functional as F
    from sklearn.datasets import load_digits
    digits = load_digits()
    x = torch.as_tensor(digits.data / 16, dtype=dtype)
    y = torch.as_tensor(digits.target)
    train, test = slice(0, 1437), slice(1437, 1437 + tests)
    torch.manual_seed(0)
    model = nb.TorchMLP(sizes, dtype=dtype)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(200):
        optimizer.zero_grad()
        F.cross_entropy(model(x[train]), y[train]).backward()
        optimizer.step()
    def once():
        fitted = kind(model, F.cross_entropy, damping, **options)
        fitted.fit(loader(x[train], y[train]))
        return fitted.influences(x[test], y[test], x[train], y[train])
    return once


def workload(nb, name):
    "What is measured: a function without arguments"
    import torch
    small, middle = (64, 32, 10), (64, 256, 64, 10)
    exact, single, gauss_newton = torch.float64, torch.float32, "gauss_newton"
    if name in ("W1", "W1cg"):
        direct, by_cg = (nb.DirectInfluence, 2000), (nb.CgInfluence, 50)
        kind, tests = direct if name == "W1" else by_cg
        return on_blobs(nb, kind, blobs(7000, 0), blobs(tests, 1))
    if name == "W2":
        return on_blobs(nb, nb.DirectInfluence, blobs(1000, 2), blobs(200, 3),
                        "perturbation")
    if name == "W4":
        sketch = nb.NystroemPreconditioner(100, second_order_mode=gauss_newton)
        return on_digits(nb, nb.CgInfluence, middle, exact, 0.01, 32, rtol=1e-4,
                         second_order_mode=gauss_newton, preconditioner=sketch)
    kind, sizes, dtype, damping, tests, options = {
        "W3": (nb.DirectInfluence, small, exact, 2.0, 360, {}),
        "W5": (nb.EkfacInfluence, (64, 512, 256, 10), single, 0.01, 360, {}),
        "W6": (nb.ArnoldiInfluence, middle, exact, 0.1, 360, {"rank": 20}),
        "W6n": (nb.NystroemSketchInfluence, middle, exact, 0.1, 360,
                {"rank": 50, "second_order_mode": gauss_newton}),
        "W7": (nb.LissaInfluence, small, exact, 0.1, 60,
               {"maxiter": 100, "second_order_mode": gauss_newton}),
        "W7h": (nb.InverseHarmonicMeanInfluence, small, exact, 0.01, 360, {})}[name]
    return on_digits(nb, kind, sizes, dtype, damping, tests, **options)


def measure(name):
    "Processor seconds and wall seconds of one call, the least of some, as JSON"
    warnings.simplefilter("ignore")
    import influence_nb as nb
    once, found = workload(nb, name), []
    once()
    started = time.perf_counter()
    while not found or time.perf_counter() - started < WORK[name]:
        before = time.process_time(), time.perf_counter()
        once()
        found.append((time.process_time() - before[0], time.perf_counter() - before[1]))
    print(json.dumps([min(values) for values in zip(*found)]))


def in_a_process(checkout, name):
    "One measurement with the library of a checkout: (processor seconds, wall seconds)"
    environment = os.environ | {"PYTHONPATH": str(Path(checkout).resolve())}
    command = [sys.executable, str(Path(__file__).resolve()), "--measure", name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True,
                          cwd="/", timeout=600)
    if done.returncode:
        raise RuntimeError(f"{name} in {checkout}: {done.stderr[-600:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measure", choices=list(WORK), help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("rest", nargs="*",
                        help="two checkouts, then names of workloads")
    given = parser.parse_intermixed_args()
    if given.measure: return measure(given.measure)
    first, second, *names = given.rest
    names, table = names or list(WORK), {}
    print(f"{'':5}{'processor':>10}{'':>9}{'quotient':>10}"
          f"{'wall':>10}{'':>9}{'quotient':>10}")
    for name in names:
        found = {first: [], second: []}
        for _ in range(given.rounds):
            for checkout in found: found[checkout].append(in_a_process(checkout, name))
        a, b = ([min(values) for values in zip(*found[c])] for c in (first, second))
        table[name] = {"first": a, "second": b}
        cells = (f"{x:10.4f}{y:9.4f}{y / x:10.3f}" for x, y in zip(a, b))
        print(f"{name:5}" + "".join(cells), flush=True)
    if given.json: given.json.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__": main()
