"""Work that does not fit into memory at once (W8, W9, W10), one process a measurement,
started by run.py: prints one line of JSON.

W8: a million points of two blobs, 1,000 test points; the ten most helpful and the ten
most harmful training points of each, and the self-influences of all. W9: the digits
repeated to 100,000, the network of W5, EKFAC; the same for 100 test points. W10: W9 by
worker processes of Dask, with one thread each. The peers do the same work in the way
they have for data that do not fit: kronfluence through its files, pyDVL through its
lazy blocks, and in W10 on a cluster. A row with fewer points says how many.

    python benchmarks/large.py W9 influence_nb --rows 2000
"""
import argparse
import json
import os
import shutil
import sys
import tempfile
import time
import warnings
from pathlib import Path

ROWS = {"W8": 1_000_000, "W9": 100_000, "W10": 100_000}
QUICK, NETWORK = 1_500, (64, 512, 256, 10)  # the network of W5
TESTS, K, BATCH, CHUNK = 100, 10, 1024, 5_000
# what is run for each: (library, workers); and the fewer rows that a peer gets with
# which it ends within ten minutes on a core
JOBS = {"W8": [("influence_nb", 0), ("pydvl", 0)],
        "W9": [("influence_nb", 0), ("kronfluence", 0), ("pydvl", 0)],
        "W10": [("influence_nb", 1), ("influence_nb", 2), ("pydvl", 1), ("pydvl", 2)]}
FEWER = {"pydvl": {"W8": 100_000, "W9": 1_000, "W10": 1_000},
         "kronfluence": {"W9": 10_000}}
METHODS = {"influence_nb": {"W8": "DirectInfluence, most_influential",
                            "W9": "EkfacInfluence, most_influential",
                            "W10": "ClusterInfluence(EkfacInfluence)"},
           "kronfluence": {"W9": "Analyzer, strategy ekfac, scores in files"},
           "pydvl": {"W8": "DirectInfluence, SequentialInfluenceCalculator",
                     "W9": "EkfacInfluence, SequentialInfluenceCalculator",
                     "W10": "EkfacInfluence, DaskInfluenceCalculator"}}


def rows_of(work, library): return FEWER.get(library, {}).get(work, ROWS[work])


def jobs(works, libraries):
    "(work, library, workers) of every row"
    return [(work, library, workers) for work in ROWS if work in works
            for library, workers in JOBS[work] if library in libraries]


def difference(one, other):
    "Relative distance of the values that two runs have kept"
    one, other = torch.load(one), torch.load(other)
    return max(workloads.distance(one[side][0].double(), other[side][0].double())
               for side in one)


# ── The work ─────────────────────────────────────────────────────────────────────────

def blobs(rows):
    "A logistic regression at its optimum, and points that no line parts"
    x, y = workloads.blobs(rows + 1_000, 0.5, seed=1)
    theta, norm = workloads.newton(x[:rows], y[:rows])
    model = workloads.LogisticRegression(2)
    with torch.no_grad():
        model.linear.weight.copy_(torch.from_numpy(theta[None, :2]))
        model.linear.bias.copy_(torch.from_numpy(theta[2:]))
    x, y = torch.from_numpy(x), torch.from_numpy(y).double()[:, None]
    return workloads.Problem("W8", model.eval(), F.binary_cross_entropy, x[:rows],
                             y[:rows], x[rows:], y[rows:], BATCH, norm)


def digits(rows, chunk=None, size=None):
    "The digits, repeated; of W10 one chunk of this size"
    saved = torch.load(workloads.kept(NETWORK, False))
    model = workloads.network(NETWORK, torch.float32)
    model.load_state_dict(saved["state"])
    which = torch.arange(rows) if chunk is None else torch.arange(
        chunk * size, min((chunk + 1) * size, rows))
    which = which % len(saved["x"])
    x, x_test = saved["x"].float()[which], saved["x_test"].float()[:TESTS]
    return workloads.Problem("W9", model.eval(), F.cross_entropy, x, saved["y"][which],
                             x_test, saved["y_test"][:TESTS], BATCH,
                             saved["gradient_norm"], workloads.DAMPING)


def matrix_products(widths, rows, classes, tests):
    """Floating-point operations of the matrix products that EKFAC cannot do without:
    two passes with the classes − 1 columns of the loss's Hessian, factors, rotations,
    squares; then the pairs of every point, rotated (chapter Scaling, equations 1 and
    2). Scores need more, by the rank of Λ."""
    total, r = 0, classes - 1
    for layer, (fan_in, d) in enumerate(zip(widths, widths[1:])):
        a, back = fan_in + 1, r if layer else 0
        fit = 4 * fan_in * d * (1 + back) + 4 * a * a + 4 * r * d * d + 2 * r * a * d
        pairs = 2 * fan_in * d * (1 + (layer > 0)) + 2 * a * a + 2 * d * d
        total += rows * fit + (rows + tests) * pairs
    return total


def rate(dtype, seconds=1.0):
    "Floating-point operations a second of a large matrix product, by the clock in use"
    A = torch.randn(2048, 2048, dtype=dtype)
    A @ A
    start, count = clock(), 0
    while clock() - start < seconds:
        A @ A
        count += 1
    return count * 2 * 2048**3 / (clock() - start)


def known_scores(problem):
    """EKFAC's scores for the digits that repeat, [tests, digits], in float64, by code
    that shares nothing with any library: the repetitions are weights."""
    import structured
    saved = torch.load(workloads.kept(NETWORK, False))
    x, y, model = saved["x"], saved["y"], workloads.network(NETWORK, torch.float64)
    model.load_state_dict(saved["state"])
    net, n = structured.Network(model), len(problem.x)
    weight = torch.bincount(torch.arange(n) % len(x), minlength=len(x)).double() / n
    (a, D), scores = net.root_pairs(x), 0.0
    train = net.pairs(x, y)
    test = net.pairs(problem.x_test.double(), problem.y_test)
    for layer, (inputs, delta) in enumerate(zip(a, D)):
        flat = (delta * weight.sqrt()[:, None, None]).flatten(0, 1)
        U = torch.linalg.eigh((inputs * weight[:, None]).T @ inputs)[1]
        V = torch.linalg.eigh(flat.T @ flat)[1]
        second = (delta @ V).square().sum(1)
        values = (second * weight[:, None]).T @ (inputs @ U).square()
        W = 1 / (values + problem.damping)
        (b, e), (c, g) = ((pairs[0][layer] @ U, pairs[1][layer] @ V)
                          for pairs in (train, test))
        left, s, right = torch.linalg.svd(W, full_matrices=False)
        for r in range(int((s > 1e-9 * s[0]).sum())):
            scores = scores + ((g * left[:, r]) @ e.T) * ((c * (s[r] * right[r])) @ b.T)
    return scores


# ── The libraries: (seconds of fit, seconds of the question, {side: (values, rows)}) ──

def best_of(scores):
    "Both sides from a whole matrix"
    return {"helpful": tuple(scores.topk(K, 1)),
            "harmful": tuple(scores.topk(K, 1, largest=False))}


def sides(most):
    return {"helpful": (most.helpful_influences, most.helpful),
            "harmful": (most.harmful_influences, most.harmful)}


def by_influence_nb(problem, workers):
    import influence_nb as nb
    kind = nb.DirectInfluence if problem.name == "W8" else nb.EkfacInfluence
    start = clock()
    influence = kind(problem.model, problem.loss, problem.damping)
    influence.fit(problem.loader())
    fitted = clock()
    data = problem.x_test, problem.y_test, problem.x, problem.y
    most = influence.most_influential(*data, k=K, progress=False)
    if problem.name == "W8":
        own = nb.streamed_self_influences(influence, problem.x, problem.y)
        assert len(own) == len(problem.x)
    return fitted - start, clock() - fitted, sides(most)


def by_kronfluence(problem, workers):
    from adapters import kronfluence
    start = clock()
    fitted = kronfluence.fit(problem, "ekfac", problem.loader())
    middle = clock()
    scores = kronfluence.influences(problem, fitted, problem.loader(),
                                    problem.loader(test=True))
    return middle - start, clock() - middle, best_of(scores)


def by_pydvl(problem, workers):
    import numpy as np
    import zarr
    from adapters import pydvl
    from pydvl.influence import SequentialInfluenceCalculator
    from pydvl.influence.torch.util import TorchNumpyConverter
    start = clock()
    method = "direct" if problem.name == "W8" else "ekfac"
    fitted = pydvl.fit(problem, method, problem.loader())
    middle = clock()
    lazy = SequentialInfluenceCalculator(fitted).influences(
        problem.loader(test=True), problem.loader())
    folder = tempfile.mkdtemp()
    lazy.to_zarr(os.path.join(folder, "scores"), TorchNumpyConverter())
    scores = zarr.open(os.path.join(folder, "scores"), mode="r")
    values = torch.from_numpy(np.asarray(scores[:]))
    shutil.rmtree(folder)
    return middle - start, clock() - middle, best_of(values)


# ── On a cluster ─────────────────────────────────────────────────────────────────────

def chunk_loader(rows, chunk, size):
    "What a worker opens"
    import large
    return large.digits(rows, chunk, size).loader()


def chunk_size(rows):
    "At least four chunks, so that all workers have some"
    return min(CHUNK, -(-rows // 4))


def processor_seconds(client):
    "Of each worker, since its start"
    return list(client.run(time.process_time).values())


def on_cluster(problem, workers):
    """(fit, question, {side: …}) by the wall, and the processor seconds of each
    worker and of this process"""
    import dask
    from dask.distributed import Client, LocalCluster
    start = "distributed.nanny.pre-spawn-environ.MALLOC_"
    dask.config.set({"distributed.comm.timeouts.connect": "300s",  # and keep memory
                     start + "TRIM_THRESHOLD_": str(2**30),  # that was asked for once
                     start + "MMAP_THRESHOLD_": str(2**25)})
    work = {"influence_nb": chunks_of_ours, "pydvl": chunks_of_pydvl}[LIBRARY]
    with LocalCluster(n_workers=workers, threads_per_worker=1, processes=True,
                      dashboard_address=None, silence_logs=60) as cluster, \
            Client(cluster, timeout="300s") as client:
        client.run(torch.set_num_threads, 1)
        client.run(sys.path.insert, 0, str(HERE))
        client.run(__import__, "large")
        work(digits(500), client)  # loads what is loaded lazily, as in the other rows
        before, own = processor_seconds(client), time.process_time()
        found = work(problem, client)
        spent = [after - then for after, then in zip(processor_seconds(client), before)]
        return found, spent, time.process_time() - own


def chunks_of_ours(problem, client):
    import dask
    import influence_nb as nb
    rows, size = len(problem.x), chunk_size(len(problem.x))
    loaders = [dask.delayed(chunk_loader)(rows, chunk, size)
               for chunk in range(-(-rows // size))]
    start = time.perf_counter()
    influence = nb.EkfacInfluence(problem.model, problem.loss, problem.damping)
    shared = nb.ClusterInfluence(influence).fit(loaders)
    middle = time.perf_counter()
    most = shared.most_influential(problem.x_test, problem.y_test, loaders, k=K)
    return middle - start, time.perf_counter() - middle, sides(most)


def chunks_of_pydvl(problem, client):
    import dask.array as da
    from adapters import pydvl
    from pydvl.influence import DaskInfluenceCalculator
    from pydvl.influence.torch.util import TorchNumpyConverter
    start = time.perf_counter()
    fitted = pydvl.fit(problem, "ekfac", problem.loader())
    middle = time.perf_counter()
    calculator = DaskInfluenceCalculator(fitted, TorchNumpyConverter(), client)
    size = chunk_size(len(problem.x))
    x, y = (da.from_array(t.numpy(), chunks=(size, *t.shape[1:]))
            for t in (problem.x, problem.y))
    x_test, y_test = (da.from_array(t.numpy(), chunks=(TESTS, *t.shape[1:]))
                      for t in (problem.x_test, problem.y_test))
    scores = calculator.influences(x_test, y_test, x, y).compute()
    return (middle - start, time.perf_counter() - middle,
            best_of(torch.from_numpy(scores)))


# ── One measurement ──────────────────────────────────────────────────────────────────

def error_of(problem, found):
    "Relative distance of the values from what the method is defined to give there"
    if problem.name == "W8":
        theta = torch.cat([p.detach().flatten() for p in problem.model.parameters()])
        arrays = (t.numpy() for t in (theta, problem.x, problem.y[:, 0],
                                      problem.x_test[:50], problem.y_test[:50, 0]))
        known = workloads.blobs_answer(*arrays, "up")
        right = best_of(known)
        return max(workloads.distance(found[side][0][:50], right[side][0])
                   for side in right)
    known = known_scores(problem)
    period = known.shape[1]
    at = {side: known.gather(1, rows % period) for side, (_, rows) in found.items()}
    return max(workloads.distance(values.double(), at[side])
               for side, (values, _) in found.items())


def measured(work, library, rows, workers):
    problem = blobs(rows) if work == "W8" else digits(rows)
    warm = blobs(3_000) if work == "W8" else digits(500)
    result = {"work": work, "library": library, "method": METHODS[library][work],
              "rows": rows, "tests": len(problem.x_test), "workers": workers}
    if workers:
        (fit, asked, found), spent, own = on_cluster(problem, workers)
        result |= {"worker_processor_s": spent, "own_processor_s": own}
    else:
        call = globals()["by_" + library]
        call(warm, 0)
        with Peak() as peak: fit, asked, found = call(problem, 0)
        result["peak_mb"] = peak.extra
    if work == "W9" and library == "influence_nb":
        flops = matrix_products(NETWORK, rows, 10, TESTS)
        result |= {"gflop": flops / 1e9, "bound_s": flops / rate(torch.float32)}
    result |= {"fit_s": fit, "influences_s": asked, "seconds": fit + asked,
               "error": error_of(problem, found)}
    if KEEP: torch.save(found, KEEP)
    return result


def main():
    global clock, LIBRARY, KEEP
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", choices=ROWS)
    parser.add_argument("library", choices=METHODS)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall")
    parser.add_argument("--keep", help="a file for what was found")
    args = parser.parse_args()
    clock = time.process_time if args.clock == "processor" else time.perf_counter
    LIBRARY, KEEP = args.library, args.keep
    torch.set_num_threads(args.threads)
    warnings.simplefilter("ignore")
    result = measured(args.work, args.library, args.rows or ROWS[args.work],
                      args.workers)
    from importlib.metadata import PackageNotFoundError, version
    try: result["version"] = version({"pydvl": "pyDVL"}.get(LIBRARY, LIBRARY))
    except PackageNotFoundError: pass
    print("RESULT " + json.dumps(result | {"threads": args.threads,
                                           "clock": args.clock}))


HERE = Path(__file__).resolve().parent
sys.path[:] = [p for p in sys.path if Path(p or os.curdir)
               .resolve() != HERE / "adapters"]
if str(HERE) not in sys.path: sys.path.insert(0, str(HERE))
sys.path.append(str(HERE.parent))
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402

import workloads  # noqa: E402
from worker import Peak  # noqa: E402

clock, LIBRARY, KEEP = time.perf_counter, None, None

if __name__ == "__main__": main()
