"""Measure influence_nb beside its peers: `python benchmarks/run.py`, from the project's environment.

Every peer lives in an environment of its own under benchmarks/.envs/, made on first use from requirements-<peer>.txt.
Every measurement is a process of its own, warmed up; the libraries take turns, three rounds, and medians are kept.
Writes results.json and results.md; a partial run (--only, --libraries, --quick) prints its table and writes only with
--write, since times compare only within one run.
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
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIBRARIES = ["by_hand", "influence_nb", "pydvl", "dattri", "captum"]
NAMES = {"by_hand": "by hand (a bound)", "pydvl": "pyDVL"}


def interpreter(library):
    "The Python that has `library`: this one, or that of the peer's own environment, made here if need be."
    wanted = HERE / f"requirements-{library}.txt"
    if not wanted.exists():
        return sys.executable
    home = HERE / ".envs" / library
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp, digest = home / ".requirements", hashlib.sha256(wanted.read_bytes()).hexdigest()
    if not (python.exists() and stamp.exists() and stamp.read_text() == digest):
        print(f"making the environment of {library} …", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--requirement", wanted], check=True)
        stamp.write_text(digest)
    return str(python)


def measure(workload, library, method, batch, args):
    "One measurement in a process of its own; a dict of numbers, or of the error it ended with."
    command = [args.pythons[library], str(HERE / "worker.py"), library, workload, method,
               "--repeats", str(args.repeats), "--threads", str(args.threads)]
    command += ["--batch-size", str(batch)] if batch else []
    command += ["--quick"] if args.quick else []
    threads = {name: str(args.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    try:
        done = subprocess.run(command, env=os.environ | threads, capture_output=True, text=True, timeout=args.timeout)
    except subprocess.TimeoutExpired:
        return {"failed": f"over {args.timeout} s"}
    for line in reversed(done.stdout.splitlines()):
        if line.startswith("RESULT "):
            return json.loads(line.removeprefix("RESULT "))
    lines = done.stderr.strip().splitlines()
    return {"failed": lines[-1] if lines else f"exit code {done.returncode}"}


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
        for library in args.libraries:
            adapter = importlib.import_module("adapters." + library)
            batches = [None] if getattr(adapter, "ONE_BATCH_ONLY", False) else args.batch_sizes
            for method, label in adapter.METHODS[workload].items():
                jobs += [(workload, library, method, batch, label) for batch in batches]
    found = {job: [] for job in jobs}
    for turn in range(args.rounds):
        for job in jobs:
            found[job].append(measure(*job[:4], args))
            print(f"round {turn + 1}/{args.rounds}: {' '.join(str(part) for part in job[:3])}, "
                  f"batch {job[3] or 'all'}", file=sys.stderr, flush=True)
    table = {workload: [] for workload in args.only}
    for (workload, library, method, batch, label), rounds in found.items():
        table[workload].append({"library": library, "method": method, "label": label, "batch_size": batch} | medians(rounds))
    return table


def cell(value):
    return f"{value:.4f}" if value < 0.1 else f"{value:.3f}"


def markdown(report):
    "The report as Markdown tables."
    from workloads import TITLES
    lines = ["# Benchmarks", "",
             f"Measured on {report['date']} on {report['cores']} cores ({report['threads']} threads), "
             f"{report['system']}, Python {report['python']}, in one run: each measurement in a process of its own, "
             f"warmed up, medians of {report['rounds']} rounds with the libraries in turn. Times vary by machine: "
             "compare within a table.", "",
             "*Loader* is the time inside the data loaders' own iteration, which *fit*, *influences* and *together* leave "
             "out and *wall* counts: who reads the data again for every product pays it many times. *Peak* is "
             "the highest resident memory over the loaded process; the result itself is part of it. *Error* is the "
             "relative Frobenius distance from dense float64 algebra in NumPy. *By hand* is code for just this model: "
             "a bound, not a fair rival. *Batch* is the size of the loaders' batches; 256 does not divide 7,000. "
             "Made by `python benchmarks/run.py`."]
    if report["quick"]:
        lines += ["", "**A quick run on small data: the plumbing was tried, the numbers mean nothing.**"]
    for workload, rows in report["workloads"].items():
        bounds = {r["batch_size"]: r["total_s"] for r in rows if r["library"] == "by_hand" and "total_s" in r}
        columns = ["fit, s", "influences, s", "together, s", "× by hand", "loader, s", "wall, s", "peak, MB", "error"]
        lines += ["", f"## {workload}: {TITLES[workload]}", "",
                  f"| library | method | batch | {' | '.join(columns)} |", "|---|---|--:|" + "--:|" * len(columns)]
        notes = []
        for r in rows:
            name = NAMES.get(r["library"], r["library"])
            if r["library"] != "by_hand" and "version" in r:
                name += " " + r["version"]
            if "failed" in r:
                lines.append(f"| {name} | {r['label']} | {r['batch_size'] or 'all'} | failed: {r['failed']} |"
                             + " |" * (len(columns) - 1))
                continue
            bound = bounds.get(r["batch_size"])
            error = f"{r['relative_error']:.1e}"
            cells = [name, r["label"], f"{r['batch_size']:,}", cell(r["fit_s"]), cell(r["influences_s"]),
                     cell(r["total_s"]), f"{r['total_s'] / bound:.1f}" if bound else "–", cell(r["loader_s"]),
                     cell(r["wall_s"]), f"{r['peak_mb']:.0f}", error if r["relative_error"] <= 1e-3 else f"**{error}**"]
            lines.append(f"| {' | '.join(cells)} |")
            if r["zero_rows"]:
                notes.append(f"- {name}, {r['label']}, batches of {r['batch_size']:,}: "
                             f"{r['zero_rows']} of {r['rows']} test points get zeros only.")
        lines += [""] + notes if notes else []
    torches = {f"{NAMES.get(r['library'], r['library'])} with torch {r['torch']}"
               for rows in report["workloads"].values() for r in rows if "torch" in r}
    lines += ["", "Versions: " + "; ".join(sorted(torches)) + ".", ""]
    return "\n".join(lines)


def sizes(text):
    "An argparse type: comma-separated batch sizes, `all` for the whole set (None)."
    return [None if size == "all" else int(size) for size in text.split(",")]


def listed(choices):
    "An argparse type: comma-separated names out of `choices`."
    def parse(text):
        names = text.split(",")
        wrong = [n for n in names if n not in choices]
        if wrong:
            raise argparse.ArgumentTypeError(f"unknown {', '.join(wrong)}; choose from {', '.join(choices)}")
        return names
    return parse


def main():
    from workloads import SIZES
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=listed(list(SIZES)), default=list(SIZES), help="workloads, comma-separated")
    parser.add_argument("--libraries", type=listed(LIBRARIES), default=LIBRARIES, help="libraries, comma-separated")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=5, help="timed repeats within a process")
    parser.add_argument("--threads", type=int, default=cores)
    parser.add_argument("--batch-sizes", type=sizes, default=[256, None], help="of the loaders; default: 256,all")
    parser.add_argument("--timeout", type=int, default=600, help="seconds for one process")
    parser.add_argument("--quick", action="store_true", help="a tenth of the data and one round: tries the plumbing")
    parser.add_argument("--write", action="store_true", help="write the results of a partial run too")
    args = parser.parse_args()
    partial = args.quick or args.only != list(SIZES) or args.libraries != LIBRARIES \
        or args.batch_sizes != [256, None]
    if args.quick:
        args.rounds = args.repeats = 1
    args.pythons = {library: interpreter(library) for library in args.libraries}

    report = {"date": datetime.date.today().isoformat(), "cores": cores, "threads": args.threads,
              "system": f"{platform.system()} {platform.machine()}", "python": platform.python_version(),
              "rounds": args.rounds, "repeats": args.repeats, "quick": args.quick, "workloads": collect(args)}
    text = markdown(report)
    if args.write or not partial:
        (HERE / "results.json").write_text(json.dumps(report, indent=1) + "\n")
        (HERE / "results.md").write_text(text)
    print(text)
    return any("failed" in row for rows in report["workloads"].values() for row in rows)


if __name__ == "__main__":
    sys.exit(main())
