"""Measure influence_nb beside its peers: `python benchmarks/run.py`, from the project's
environment.

Every peer lives in an environment of its own under benchmarks/.envs/, made on first use
from requirements-<peer>.txt; the digits' networks and the reference answers are made
there too (prepare.py). Every measurement is a process of its own (worker.py), warmed
up, under limits of time and memory; the libraries take turns, and medians are kept.
Writes results.json, results.md, short.svg and scaling.svg (report.py); a partial run
(--only, --libraries, --quick) prints its tables and writes only with --write. It then
replaces whole workloads, never a row among others, and their tables say when and how
they were measured, since times compare only within one run.
"""
import argparse
import datetime
import hashlib
import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import large
import prepare
import scaling
from report import draw, draw_short, markdown, picture_lines, summary
from workloads import TITLES, WORKLOADS

HERE = Path(__file__).resolve().parent
LIBRARIES = ["by_hand", "influence_nb", "pydvl", "dattri", "captum", "curvlinops",
             "kronfluence"]


SAME = {"W4b": "W4"}  # measured by the same methods


def interpreter(library):
    """The Python that has `library`: this one, or that of the peer's own environment,
    made here if need be."""
    wanted = HERE / f"requirements-{library}.txt"
    if not wanted.exists():
        return sys.executable
    home = HERE / ".envs" / library
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp, digest = (home / ".requirements", hashlib.sha256(wanted.read_bytes())
                     .hexdigest())
    if not (python.exists() and stamp.exists() and stamp.read_text() == digest):
        print(f"making the environment of {library} …", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--requirement",
                        wanted], check=True)
        stamp.write_text(digest)
    return str(python)


def memory_of(process):
    "Resident memory of a running process in GB; zero where the system does not tell."
    try:
        with open(f"/proc/{process.pid}/status") as lines:
            return next((int(line.split()[1]) / 2**20 for line in lines
                         if line.startswith("VmRSS:")), 0.0)
    except OSError:
        return 0.0


def watched(command, args, seconds):
    """Run a measuring process under limits of memory and time: its numbers, or why
    there are none."""
    threads = {name: str(args.threads) for name in ("OMP_NUM_THREADS",
                                                    "MKL_NUM_THREADS",
                                                    "OPENBLAS_NUM_THREADS")}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen([str(part) for part in command],
                                   env=os.environ | threads, stdout=out, stderr=err)
        end, reason = time.monotonic() + seconds, None
        while process.poll() is None and not reason:
            time.sleep(0.05)
            if memory_of(process) > args.memory_gb:
                reason = f"out of memory (over {args.memory_gb} GB)"
            elif time.monotonic() > end:
                reason = f"over {args.limit} s"
        if reason:
            process.kill()
            process.wait()
            return {"failed": reason}
        out.seek(0), err.seek(0)
        lines, errors = out.read().splitlines(), err.read().strip().splitlines()
    for line in reversed(lines):
        if line.startswith("RESULT "):
            return json.loads(line.removeprefix("RESULT "))
    return {"failed": errors[-1] if errors else f"exit code {process.returncode}"}


def measure(workload, library, method, batch, args):
    """One measurement in a process of its own; a dict of numbers, or of the error it
    ended with."""
    command = [args.pythons[library], HERE / "worker.py", library, workload, method,
               "--limit", args.limit, "--repeats", args.repeats, "--threads",
               args.threads, "--clock", args.clock]
    command += ["--batch-size", batch] if batch else []
    command += ["--quick"] if args.quick else []
    shared = 15 if args.clock == "processor" else 1  # others may have the processor
    return watched(command, args, shared * (4 * args.limit + 60))


def medians(rounds):
    "Medians over the rounds that worked; the failure if none did."
    worked = [r for r in rounds if "failed" not in r]
    if not worked:
        return dict(rounds[0])
    for r in worked:
        r["total_s"] = r["fit_s"] + r["influences_s"]
        r["wall_s"] = r["total_s"] + r["loader_s"]
    timed = ("total_s", "wall_s", "fit_s", "influences_s", "loader_s", "peak_mb")
    row = worked[0] | {key: statistics.median(r[key] for r in worked) for key in timed}
    row["total_s_rounds"] = [r["total_s"] for r in worked]
    row["relative_error"] = max(r["relative_error"] for r in worked)
    return row


def collect(args):
    "All measurements: {workload: [row, …]}, libraries in turn within a round."
    jobs = []
    for workload in args.only:
        for library in args.libraries if workload in TITLES else []:
            adapter = importlib.import_module("adapters." + library)
            whole = getattr(adapter, "ONE_BATCH_ONLY",
                            False) or workload not in ("W1", "W1cg")
            methods = adapter.METHODS.get(SAME.get(workload, workload), {})
            for method, label in methods.items():
                jobs += [(workload, library, method, batch, label)
                         for batch in ([None] if whole else args.batch_sizes)]
    found = {job: [] for job in jobs}
    for turn in range(args.rounds):
        for job in jobs:
            if turn and "failed" in found[job][0] or turn == 2 and found[job][0][
                "fit_s"] + found[job][0]["influences_s"] > 10:
                continue
            found[job].append(measure(*job[:4], args))
            row = found[job][-1]
            with open(HERE / ".envs/measured.jsonl", "a") as kept:  # if it is stopped
                kept.write(json.dumps([*job, row]) + "\n")
            taken = (row.get("failed")
                     or f"{row['fit_s'] + row['influences_s']:.3f} s")
            print(f"round {turn + 1}/{args.rounds}: {' '.join(job[:3])}, "
                  f"batch {job[3] or 'all'}: {taken}", file=sys.stderr, flush=True)
    table = {workload: [] for workload in args.only if workload in TITLES}
    for (workload, library, method, batch, label), rounds in found.items():
        table[workload].append({"library": library, "method": method, "label": label,
                                "batch_size": batch} | medians(rounds))
    return table


def collect_scaling(args):
    """Time and memory of influence_nb at growing sizes: [{method, n, p, seconds,
    peak_mb}, …]."""
    points = []
    for method, rows, width in scaling.jobs():
        if args.quick and (rows > 2000 or width > 128 and rows != 2000):
            continue
        found = watched([sys.executable, HERE / "scaling.py", method, rows, width,
                         "--threads", args.threads], args, 4 * args.limit)
        print(f"scaling: {method}, n = {rows}, h = {width}: "
              f"{found.get('failed') or '%.3f s' % found['seconds']}", file=sys.stderr,
              flush=True)
        points += [found] if "failed" not in found else []
    return points


def collect_large(args):
    "Work beyond memory (W8, W9, W10), ten minutes a row at most: [row, …]."
    rows, shared = [], 15 if args.clock == "processor" else 1
    limited = argparse.Namespace(**vars(args) | {"limit": 600})
    found = Path(tempfile.mkdtemp())
    for work, library, workers in large.jobs(args.only, args.libraries):
        points = large.QUICK if args.quick else large.rows_of(work, library)
        keep = found / f"{work}-{library}-{workers}.pt"
        row = watched([args.pythons[library], HERE / "large.py", work, library,
                       "--rows", points, "--workers", workers, "--threads",
                       args.threads, "--clock", args.clock, "--keep", keep], limited,
                      600 * shared)
        alone = found / f"W9-{library}-0.pt"
        if work == "W10" and keep.exists() and alone.exists():
            row["difference"] = large.difference(keep, alone)
        rows.append({"work": work, "library": library, "rows": points,
                     "method": large.METHODS[library][work], "workers": workers} | row)
        print(f"{work}: {library}, {points:,} points, {workers} workers: "
              f"{row.get('failed') or '%.1f s' % row['seconds']}", file=sys.stderr,
              flush=True)
    return rows


def merged(report, path):
    """A partial run's report in the place of the same workloads in the one at `path`,
    with a line on how they were measured."""
    whole = json.loads(path.read_text())
    how = {key: report[key] for key in ("date", "threads", "clock", "rounds", "repeats",
                                        "limit_s", "libraries")}
    whole["apart"] = whole.get("apart", {}) | dict.fromkeys(report["workloads"], how)
    rows = whole["workloads"] | report["workloads"]
    whole["workloads"] = {name: rows[name] for name in WORKLOADS if name in rows}
    whole["scaling"] = report["scaling"] or whole["scaling"]
    new = {row["work"] for row in report["large"]}
    whole["large"] = report["large"] + [row for row in whole.get("large", [])
                                        if row["work"] not in new]
    whole["large"].sort(key=lambda row: int(row["work"][1:]))
    return whole | {"summary": summary(whole["workloads"])}


def sizes(text):
    "An argparse type: comma-separated batch sizes, `all` for the whole set (None)."
    return [None if size == "all" else int(size) for size in text.split(",")]


def listed(choices):
    "An argparse type: comma-separated names out of `choices`."
    def parse(text):
        names = text.split(",")
        wrong = [n for n in names if n not in choices]
        if wrong:
            raise argparse.ArgumentTypeError(f"unknown {', '.join(wrong)}; choose from "
                                             f"{', '.join(choices)}")
        return names
    return parse


def main():
    everything = [*WORKLOADS, "scaling", *large.ROWS]
    cores = (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity")
             else os.cpu_count())
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=listed(everything), default=everything,
                        help="workloads, comma-separated")
    parser.add_argument("--libraries", type=listed(LIBRARIES), default=LIBRARIES,
                        help="libraries, comma-separated")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=5,
                        help="timed repeats in a process, where one takes under 1 s")
    parser.add_argument("--threads", type=int, default=cores)
    parser.add_argument("--batch-sizes", type=sizes, default=[256, None],
                        help="of the loaders of W1; default: 256,all")
    parser.add_argument("--limit", type=int, default=120,
                        help="seconds for one fit and its influences")
    parser.add_argument("--memory-gb", type=float, default=12, help="for one process")
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall",
                        help="processor: seconds of this process alone, for a machine "
                        "with other work; use it with --threads 1")
    parser.add_argument("--quick", action="store_true",
                        help="small data and one round: tries the plumbing")
    parser.add_argument("--write", action="store_true",
                        help="write the results of a partial run too")
    args = parser.parse_args()
    partial = (args.quick or args.only != everything or args.libraries != LIBRARIES
               or args.batch_sizes != [256, None])
    if args.quick:
        args.rounds = args.repeats = 1
    prepare.ready(args.only, args.quick)
    if {"W9", "W10"} & set(args.only): prepare.trained(large.NETWORK)
    args.pythons = {library: interpreter(library) for library in args.libraries}

    started = time.monotonic()
    workloads = collect(args)
    scaled = (collect_scaling(args) if "scaling" in args.only
              and "influence_nb" in args.libraries else [])
    beyond = collect_large(args)
    described = {"date": datetime.date.today().isoformat(), "cores": cores,
                 "threads": args.threads, "system": f"{platform.system()} "
                 f"{platform.machine()}", "python": platform.python_version(),
                 "rounds": args.rounds, "repeats": args.repeats, "quick": args.quick,
                 "clock": args.clock, "libraries": args.libraries,
                 "limit_s": args.limit, "memory_gb": args.memory_gb,
                 "minutes": round((time.monotonic() - started) / 60, 1)}
    report = described | {"summary": summary(workloads), "workloads": workloads,
                          "scaling": scaled, "large": [
                              row | {"date": described["date"]} for row in beyond]}
    if partial and args.write and not args.quick:
        report = merged(report, HERE / "results.json")
    text = markdown(report)
    if args.write or not partial:
        (HERE / "results.json").write_text(json.dumps(report, indent=1) + "\n")
        (HERE / "results.md").write_text(text)
        if scaled: draw(scaled, HERE / "scaling.svg")
        if picture_lines(report["summary"]):
            draw_short(report["summary"], HERE / "short.svg")
    print(text)
    unexpected = [row for rows in [*workloads.values(), beyond] for row in rows
                  if "failed" in row
                  and not row["failed"].startswith(("not available", "over ",
                                                    "out of memory"))]
    return bool(unexpected)


if __name__ == "__main__":
    sys.exit(main())
