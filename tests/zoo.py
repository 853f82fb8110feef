"""The whole zoo: every model with every method in both precisions, against plain
backpropagation; networks in single precision that are sure of their answers; and
Nyström sketches of a curvature that is a little negative.

Run by `make test`, in two processes. Names of specimens may be given, to try only
those.
"""
import itertools
import multiprocessing
import sys
import time

import torch

from influence_nb import NystroemSketchInfluence, check_zoo, relative_error, zoo_case
from influence_nb.zoo import SPECIMENS, PlainOracle, zoo_report


def rows_of(task):
    torch.set_num_threads(1)
    name, dtype = task
    return zoo_report([name], [dtype])


def whole_zoo(names):
    "Every row, the slow specimens first, so that both processes end together"
    slow = ("LSTM", "GRU", "Transformer", "attention")
    names = sorted(names, key=lambda name: not name.startswith(slow))
    tasks = list(itertools.product(names, (torch.float64, torch.float32)))
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        return [row for rows in pool.imap(rows_of, tasks) for row in rows]


def blocks_of(oracle, structure):
    "Where the parameters of each block are"
    place = dict(zip(oracle.named,
                     torch.arange(sum(p.numel() for p in oracle.parameters))
                     .split([p.numel() for p in oracle.parameters])))
    keys = {"full": lambda name: "", "parameter": lambda name: name,
            "layer": lambda name: name.rpartition(".")[0]}
    blocks = {}
    for name in place: blocks.setdefault(keys[structure](name), []).append(place[name])
    return [torch.cat(parts) for parts in blocks.values()]


def exact_factors(oracle, structure, G, damping):
    "(H + λI)⁻¹ for each row of G, block by block"
    X = torch.zeros_like(G)
    for i in blocks_of(oracle, structure):
        block = oracle.hessian[i][:, i]
        damped = block + damping * torch.eye(len(i), dtype=block.dtype)
        X[:, i] = torch.linalg.solve(damped, G[:, i].T).T
    return X


def sketches(damping=1000.0):
    """A Hessian with eigenvalues below zero, under a λ that outweighs them: a sketch
    leaves out eigenvalues up to the largest, so that its error is at most the largest
    eigenvalue over λ; one of all directions leaves out nothing."""
    case = zoo_case("convolution in three dimensions")
    oracle = PlainOracle(zoo_case("convolution in three dimensions"))
    values = torch.linalg.eigvalsh(oracle.hessian)
    p, bound = len(values), 2 * (values[-1] / damping).item()
    assert values[0] < -1e-3 < 0 < bound < 1e-1, (values[0], bound)
    G = oracle.gradients(case.test)
    for structure, (rank, tol) in itertools.product(
            ("full", "layer", "parameter"), ((10, bound), (p - 1, bound), (p, 1e-9))):
        found = NystroemSketchInfluence(
            case.model, case.loss, damping, rank=rank, block_structure=structure
            ).fit(case.batches).influence_factors(*case.test)
        error = relative_error(found, exact_factors(oracle, structure, G, damping))
        print(f"Nyström, rank {rank} of {p}, {structure}: error {error:.1e}")
        assert error <= tol, (structure, rank, error, tol)


def sure_of_their_answers():
    "Networks that know their data by heart, in single precision, of other seeds"
    for seed in range(1, 12):
        row, = zoo_report(["memorized network"], [torch.float32], ["direct"], seed)
        assert row.verdict == "right" and row.error <= 1e-4, (seed, row)
    print("11 memorized networks in single precision: right to 1e-4")


def main():
    started, names = time.time(), sys.argv[1:] or list(SPECIMENS)
    sketches()
    sure_of_their_answers()
    rows = check_zoo(whole_zoo(names))
    counts = {v: sum(row.verdict == v for row in rows) for v in ("right", "refused")}
    print(f"{len(names)} models, {counts['right']} answers right, {counts['refused']} "
          f"refused as promised, in {time.time() - started:.0f} s")


if __name__ == "__main__": main()
