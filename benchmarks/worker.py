"""Measure one library on one workload in this process, and print the result as one line of JSON. Started by run.py."""
import argparse
import gc
import importlib
import importlib.metadata
import json
import os
import platform
import resource
import statistics
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def resident(field):
    "A memory field of this process, in MB: VmRSS (now) or VmHWM (highest since the last reset)."
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise OSError(field)


class Peak:
    "Peak resident memory over what was loaded before, in MB."

    def __enter__(self):
        gc.collect()
        try:
            Path("/proc/self/clear_refs").write_text("5")  # Linux: start the high-water mark afresh
            self.before, self.read = resident("VmRSS"), lambda: resident("VmHWM")
        except OSError:  # elsewhere: the mark of the whole process, so a lower bound
            unit = 2**20 if sys.platform == "darwin" else 2**10
            self.read = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
            self.before = self.read()
        return self

    def __exit__(self, *_):
        self.extra = max(self.read() - self.before, 0.0)


def once(adapter, problem, method):
    "Fit and score once: the scores, and seconds of fit, of influences, and inside the data loaders (not counted)."
    train, score, test = problem.loader(), problem.loader(), problem.loader(test=True)
    start = time.perf_counter()
    fitted = adapter.fit(problem, method, train)
    fit_wall, in_fit = time.perf_counter() - start, train.seconds
    start = time.perf_counter()
    scores = adapter.influences(problem, fitted, score, test)
    wall = time.perf_counter() - start
    loading = train.seconds + score.seconds + test.seconds
    return scores, {"fit_s": fit_wall - in_fit, "influences_s": wall - (loading - in_fit), "loader_s": loading}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library")
    parser.add_argument("workload")
    parser.add_argument("method")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch-size", type=int, help="default: the whole set")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()

    # Adapters are called like the libraries they drive: keep this folder itself from hiding those.
    sys.path[:] = [p for p in sys.path if Path(p or os.curdir).resolve() != HERE / "adapters"]
    if str(HERE) not in sys.path:
        sys.path.insert(0, str(HERE))
    if args.library == "influence_nb":
        sys.path.append(str(HERE.parent))  # a checkout that is not installed
    import torch

    import workloads
    torch.set_num_threads(args.threads)
    adapter = importlib.import_module("adapters." + args.library)

    # Load what is loaded lazily, on a small problem; then the first full run gives the memory and warms up the rest.
    once(adapter, workloads.make(args.workload, quick=True), args.method)
    problem = workloads.make(args.workload, batch_size=args.batch_size, quick=args.quick)
    with Peak() as peak:
        scores, _ = once(adapter, problem, args.method)
    error, zero_rows = workloads.relative_error(problem, adapter.to_reference(problem, scores))
    del scores
    runs = []
    for _ in range(args.repeats):
        gc.collect()
        scores, seconds = once(adapter, problem, args.method)
        del scores
        runs.append(seconds)
    result = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    try:
        version = importlib.metadata.version(adapter.DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        version = getattr(importlib.import_module(adapter.DISTRIBUTION), "__version__", "?")
    result |= {"peak_mb": peak.extra, "relative_error": error, "zero_rows": zero_rows, "rows": len(problem.x_test),
               "gradient_norm": problem.gradient_norm, "batch_size": problem.batch_size, "version": version,
               "torch": torch.__version__, "python": platform.python_version()}
    print("RESULT " + json.dumps(result))


if __name__ == "__main__":
    main()
