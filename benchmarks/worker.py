"""Measure one library on one workload in this process, and print the result as one line
of JSON. Started by run.py."""
import argparse
import gc
import importlib
import importlib.metadata
import json
import os
import platform
import resource
import signal
import statistics
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def resident(field):
    """A memory field of this process, in MB: VmRSS (now) or VmHWM (highest since the
    last reset)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise OSError(field)


class Peak:
    "Peak resident memory over what was loaded before, in MB."

    def __enter__(self):
        gc.collect()
        try:
            # Linux: start the high-water mark afresh
            Path("/proc/self/clear_refs").write_text("5")
            self.before, self.read = resident("VmRSS"), lambda: resident("VmHWM")
        except OSError:  # elsewhere: the mark of the whole process, so a lower bound
            unit = 2**20 if sys.platform == "darwin" else 2**10
            self.read = (lambda: resource.getrusage(resource.RUSAGE_SELF)
                         .ru_maxrss / unit)
            self.before = self.read()
        return self

    def __exit__(self, *_):
        self.extra = max(self.read() - self.before, 0.0)


def once(adapter, problem, method):
    """Fit and score once: the scores, and seconds of fit, of influences, and inside the
    data loaders (not counted)."""
    clock = workloads.TimedLoader.clock
    train, score, test = problem.loader(), problem.loader(), problem.loader(test=True)
    start = clock()
    fitted = adapter.fit(problem, method, train)
    fit_wall, in_fit = clock() - start, train.seconds
    start = clock()
    scores = adapter.influences(problem, fitted, score, test)
    wall = clock() - start
    loading = train.seconds + score.seconds + test.seconds
    return scores, {"fit_s": fit_wall - in_fit,
                    "influences_s": wall - (loading - in_fit), "loader_s": loading}


def fail(reason):
    "Report and leave at once, whatever is running."
    print("RESULT " + json.dumps({"failed": reason}), flush=True)
    os._exit(0)


def limited(adapter, problem, method, seconds):
    "`once`, or a report that it took too long or did not fit."
    processor = workloads.TimedLoader.clock is time.process_time
    kind, number = ((signal.ITIMER_PROF, signal.SIGPROF) if processor
                    else (signal.ITIMER_REAL, signal.SIGALRM))
    signal.signal(number, lambda *_: fail(f"over {seconds} s"))
    signal.setitimer(kind, seconds)
    try:
        return once(adapter, problem, method)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
            fail("out of memory")
        raise
    finally:
        signal.setitimer(kind, 0)


def version_of(adapter):
    try:
        return importlib.metadata.version(adapter.DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return getattr(importlib.import_module(adapter.DISTRIBUTION), "__version__",
                       "?")


def measure(adapter, args):
    "Everything about one library, method and workload."
    # Load what is loaded lazily, on a small problem; then the first full run gives the
    # memory and warms up the rest.
    try:
        limited(adapter, workloads.make(args.workload, quick=True), args.method,
                args.limit)
    except (AttributeError, ImportError, TypeError) as error:
        if args.library != "influence_nb":
            raise
        return {"failed": "not available", "reason": str(error)}
    problem = workloads.make(args.workload, batch_size=args.batch_size,
                             quick=args.quick)
    with Peak() as peak:
        scores, first = limited(adapter, problem, args.method, args.limit)
    found = workloads.compare(problem, adapter.to_reference(problem, scores))
    del scores
    taken = sum(first.values())
    # too slow to do it again
    runs = [first] if taken > 20 or not args.repeats else []
    for _ in range(0 if runs else args.repeats if taken < 1 else 1):
        gc.collect()
        scores, seconds = limited(adapter, problem, args.method, args.limit)
        del scores
        runs.append(seconds)
    result = {key: statistics.median(run[key] for run in runs) for key in first}
    return result | found | {"peak_mb": peak.extra, "rows": len(problem.x_test),
                             "gradient_norm": problem.gradient_norm,
                             "batch_size": problem.batch_size, "timed_runs": len(runs)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library")
    parser.add_argument("workload")
    parser.add_argument("method")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch-size", type=int, help="default: the whole set")
    parser.add_argument("--limit", type=int, default=120,
                        help="seconds for one fit and its influences")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall")
    args = parser.parse_args()
    if args.clock == "processor":
        workloads.TimedLoader.clock = staticmethod(time.process_time)
    torch.set_num_threads(args.threads)
    adapter = importlib.import_module("adapters." + args.library)
    result = measure(adapter, args)
    versions = {"version": version_of(adapter), "torch": torch.__version__,
                "python": platform.python_version()}
    print("RESULT " + json.dumps(versions | result))


# Adapters are called like the libraries they drive: keep this folder itself from hiding
# those.
sys.path[:] = [p for p in sys.path if Path(p or os.curdir)
               .resolve() != HERE / "adapters"]
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))
sys.path.append(str(HERE.parent))  # influence_nb, in a checkout that is not installed
import torch  # noqa: E402

import workloads  # noqa: E402

if __name__ == "__main__":
    main()
