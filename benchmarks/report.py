"""The text and the figures of a run: results.md, short.svg and scaling.svg from the
report that `run.py` collected."""
import json
import math
import statistics
from pathlib import Path

from scaling import METHODS as SCALING_METHODS
from workloads import APPROXIMATE, GOALS, TITLES

NAMES = {"by_hand": "by hand (a bound)", "pydvl": "pyDVL"}
# what a reader should know of a row, by workload
NOTES = {"W1cg": "pyDVL's CG takes a norm over the wrong axis and solves only the "
         "first p right-hand sides; its simultaneous form is right with one batch, "
         "and off where the last of several batches is smaller.",
         "W4": "Every library is told what brings its residual below half of the error "
         "that is asked for: influence_nb and curvlinops a relative residual, pyDVL, "
         "which stops at rtol² ‖b‖, the root of that; dattri's CG does a fixed number "
         "of steps, 100 here. Block against block both do the same search. Rows that "
         "were cut off have no error; a round that was cut off is not in the median.",
         "W5": "Not the same Fisher: influence_nb and curvlinops take it exact over "
         "the classes, kronfluence samples one label a point (its error is that of a "
         "sample), dattri takes the true labels (and "
         "lays bias behind weight before it shapes both to [out, in + 1], so that a "
         "layer with a bias is rotated out of order), and pyDVL backpropagates √p log "
         "p summed over the classes, so that products of different classes stay in. "
         "*Exact* is the damped Gauss-Newton matrix, "
         "*definition* EKFAC exact over the classes.",
         "W6": "By default pyDVL, and always captum and dattri, drop what lies outside "
         "the subspace; with a damping it is λ there, which influence_nb and "
         "pyDVL's `use_woodbury=True` keep.", "W7": "Two hundred steps do not converge "
         "here: the part along eigenvalues near λ is missing. The scale is the "
         "largest eigenvalue plus λ, found beforehand and given to every peer; "
         "influence_nb finds its own.", "W7h": "dattri's DataInf inverts in blocks of "
         "parameters, influence_nb and pyDVL the whole; pyDVL's "
         "answer comes out n times smaller with the data in one batch (its correlation "
         "is not touched by that).",
         "W12": "The exact answer is Woodbury's formula from products of pairs, by "
         "hand. Harmonic mean and DataInf are approximations of it. Every CG is asked "
         "for an error of 1e-8, with the empirical Fisher, which pyDVL calls "
         "Gauss-Newton and divides by the number of right-hand sides: three give a "
         "third of the product, so its error does not come from its steps.",}


def name_of(row):
    name = NAMES.get(row["library"], row["library"])
    return (f"{name} {row['version']}" if row["library"] != "by_hand"
            and "version" in row else name)


def cell(value):
    "A time in seconds with three figures or so."
    return (f"{value:.4f}" if value < 0.1 else f"{value:.3f}" if value < 10
            else f"{value:.1f}")


def as_good(workload, row, ours):
    """Whether a row answers at our accuracy or better: error for exact methods,
    correlation for approximations."""
    if workload in APPROXIMATE:
        return row["correlation"] >= ours["correlation"] - 0.01
    if workload in GOALS:
        return row["relative_error"] <= GOALS[workload]
    return row["relative_error"] <= max(1.1 * ours["relative_error"], 1e-6)


def summary(workloads):
    """One line a workload and the geometric mean over pyDVL, from each library's
    fastest row."""
    found = {}
    for workload, rows in workloads.items():
        worked = [r for r in rows if "failed" not in r]
        mine = [r for r in worked if r["library"] == "influence_nb"]
        if workload not in APPROXIMATE:  # a wrong answer of ours does not count as fast
            mine = [r for r in mine
                    if r["relative_error"] <= GOALS.get(workload, 1e-6)]
        if not mine:
            continue
        ours = min(mine, key=lambda r: r["total_s"])
        fastest = lambda rows: min(rows, key=lambda r: r["total_s"], default=None)
        peer = fastest([r for r in worked
                        if r["library"] not in ("by_hand", "influence_nb")
                        and as_good(workload, r, ours)])
        entry = {"method": ours["label"], "seconds": ours["total_s"],
                 "peak_mb": ours["peak_mb"]}
        if peer:
            entry |= {"peer": f"{name_of(peer)}, {peer['label']}",
                      "peer_ratio": peer["total_s"] / ours["total_s"]}
        for library in ("pydvl", "kronfluence", "by_hand"):
            other = fastest([r for r in worked if r["library"] == library])
            if other:
                entry[library + "_ratio"] = other["total_s"] / ours["total_s"]
        found[workload] = entry
    ratios = [e["pydvl_ratio"] for e in found.values() if "pydvl_ratio" in e]
    return {"workloads": found,
            "geometric_mean_over_pydvl": statistics.geometric_mean(ratios) if ratios
            else None, "pydvl_workloads": len(ratios)}


def summary_lines(found):
    times = lambda entry, key: f"{entry[key]:.1f}" if key in entry else "–"
    lines = ["", "## In short", "", "How many times as long the others take as the "
             "fastest row of influence_nb with the right number (below 1: they are "
             "faster). *As good* means an error no larger than ours (or below 1e-6; on "
             "W4 and W4b the error asked for, 1e-4 and 1e-8); for the approximations "
             "(W5 to W7h) a correlation with the exact influences of ours less 0.01 at "
             "least. pyDVL's fastest method counts whatever its error. The tables say "
             "which workloads were measured apart, and by which clock.", "",
             "| | influence_nb | s | peak, MB | fastest peer as good | × | pyDVL × | "
             "kronfluence × | by hand × |", "|---|---|--:|--:|---|--:|--:|--:|--:|"]
    for workload, e in found["workloads"].items():
        ratio = times(e, "peer_ratio")
        lines.append(f"| {workload} | {e['method']} | {cell(e['seconds'])} | "
                     f"{e['peak_mb']:.0f} | {e.get('peer', '–')} | "
                     f"{ratio if e.get('peer_ratio', 1) >= 1 else f'**{ratio}**'} | "
                     f"{times(e, 'pydvl_ratio')} | "
                     f"{times(e, 'kronfluence_ratio')} | {times(e, 'by_hand_ratio')} |")
    mean = found["geometric_mean_over_pydvl"]
    if mean:
        lines += ["", f"Geometric mean over pyDVL, {found['pydvl_workloads']} "
                  f"workloads: **{mean:.1f} times as fast**."]
    return lines


def apart_line(how):
    "When and how a workload was measured that was not part of the run of the others."
    clock = ("seconds are processor time, since the machine had other work: compare "
             "them with each other, and with no other table"
             if how["clock"] == "processor" else "seconds of the clock on the wall")
    return [f"Measured apart from the other tables, on {how['date']}, in one run of "
            f"{', '.join(NAMES.get(name, name) for name in how['libraries'])} in turn; "
            f"threads: {how['threads']}, rounds: {how['rounds']}, limit: "
            f"{how['limit_s']} s; {clock}.", ""]


def table(workload, rows, how=None):
    "One workload as a Markdown table, with notes."
    bounds = {}
    for r in rows:
        if r["library"] == "by_hand" and "total_s" in r:
            bounds[r["batch_size"]] = min(r["total_s"],
                                          bounds.get(r["batch_size"], math.inf))
    columns = ["fit, s", "influences, s", "together, s", "× by hand", "loader, s",
               "wall, s", "peak, MB", "error"]
    columns += ["correlation"] * any("correlation" in r for r in rows)
    columns += ["error from definition"] * any("definition_error" in r for r in rows)
    lines = ["", f"## {workload}: {TITLES[workload]}", ""]
    lines += apart_line(how) if how else []
    lines += [f"| library | method | batch | {' | '.join(columns)} |",
              "|---|---|--:|" + "--:|" * len(columns)]
    notes = [f"- {NOTES[workload]}"] if workload in NOTES else []
    for r in rows:
        start = [name_of(r), r["label"]]
        if "failed" in r:
            lines.append(f"| {' | '.join(start)} | {r['batch_size'] or 'all'} | "
                         f"{r['failed'][:80]} |" + " |" * (len(columns) - 1))
            continue
        bound, error = bounds.get(r["batch_size"]), f"{r['relative_error']:.1e}"
        good = (workload in APPROXIMATE
                or r["relative_error"] <= GOALS.get(workload, 1e-3))
        cells = [*start, f"{r['batch_size']:,}", cell(r["fit_s"]),
                 cell(r["influences_s"]), cell(r["total_s"]),
                 f"{r['total_s'] / bound:.1f}" if bound else "–", cell(r["loader_s"]),
                 cell(r["wall_s"]), f"{r['peak_mb']:.0f}",
                 error if good else f"**{error}**"]
        if "correlation" in columns:
            cells.append(f"{r['correlation']:.3f}")
        if "error from definition" in columns:
            cells.append(f"{r['definition_error']:.1e}")
        lines.append(f"| {' | '.join(cells)} |")
        if r["zero_rows"]:
            notes.append(f"- {name_of(r)}, {r['label']}, batches of "
                         f"{r['batch_size']:,}: {r['zero_rows']} of {r['rows']} "
                         "test points get zeros only.")
    return lines + [""] * bool(notes) + notes


def slope(points, along):
    "Least-squares slope on log-log axes."
    x, y = ([math.log(p[key]) for p in points] for key in (along, "seconds"))
    return statistics.linear_regression(x, y).slope


def series(points, method, along):
    "The points of one line: n at the common p, or p at the common n."
    fixed = "p" if along == "n" else "n"
    common = statistics.mode(p[fixed] for p in points) if along == "n" else 2000
    return sorted((p for p in points if p["method"] == method and p[fixed] == common),
                  key=lambda p: p[along])


def plain_svg():
    """matplotlib.pyplot for figures that come out the same every time, with readable
    text"""
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.hashsalt": "influence_nb", "font.size": 10,
                            "legend.fontsize": 10}
    import matplotlib.pyplot as plt
    return plt


def draw(points, path):
    "Memory and time against n, on logarithmic axes."
    plt = plain_svg()
    fig, (memory, rows) = plt.subplots(1, 2, figsize=(6.4, 3.6), layout="constrained")
    for (method, label), marker in zip(SCALING_METHODS.items(), "os"):
        found = series(points, method, "n")
        if len(found) < 2: continue
        n = [q["n"] for q in found]
        memory.plot(n, [q["peak_mb"] for q in found], marker=marker, label=label)
        rows.plot(n, [q["seconds"] for q in found], marker=marker)
    n = [q["n"] for q in series(points, "cg", "n")]
    p = series(points, "cg", "n")[0]["p"]
    memory.plot(n, [8 * k * p / 2**20 for k in n], "--", color="0.5",
                label="all gradients")
    memory.set(title="peak extra memory, MB")
    rows.set(title="fit and influences, s")
    for axes in (memory, rows):
        axes.set(xscale="log", yscale="log", xlabel="training rows n")
        axes.grid(alpha=0.3)
    fig.legend(loc="outside lower center", ncols=3)
    fig.savefig(path, metadata={"Date": None})
    plt.close(fig)


def draw_short(found, path):
    "Seconds of ours and of the fastest peer as good, one row a workload."
    plt = plain_svg()
    kept = {name: one for name, one in found["workloads"].items() if "peer" in one}
    fig, axes = plt.subplots(figsize=(6.4, 3.1), layout="constrained")
    for row, one in enumerate(kept.values()):
        seconds, peer = one["seconds"], one["seconds"] * one["peer_ratio"]
        axes.plot([seconds, peer], [row, row], color="0.8", linewidth=2, zorder=0)
        axes.plot(seconds, row, "ko", label="" if row else "influence_nb")
        axes.plot(peer, row, "o", color="black", markerfacecolor="white",
                  label="" if row else "fastest peer as good")
        axes.annotate(f"× {one['peer_ratio']:.1f}", (max(peer, seconds), row), (7, 0),
                      textcoords="offset points", va="center")
    axes.set(xscale="log", xlabel="seconds, fit and influences")
    axes.set_yticks(range(len(kept)), kept)
    axes.margins(x=0.15)
    axes.invert_yaxis()
    fig.legend(loc="outside upper center", ncols=2, frameon=False)
    fig.savefig(path, metadata={"Date": None})
    plt.close(fig)


def scaling_lines(points):
    "The figure, described, with its numbers."
    lines = ["", "## How time and memory grow", "", "Ten test points against n rows of "
             "noisy digits, float64; network 64-h-h/4-10 as initialized, Gauss-Newton "
             "matrix with λ = 0.01, ten steps of conjugate gradient, or EKFAC. "
             "Memory is the peak over the loaded process less the result.", "",
             "![Two panels on logarithmic axes. Left: peak extra memory of "
             "influence_nb against the number of training "
             "rows, beside a dashed line for keeping every gradient. Right: time "
             "against the number of rows.](scaling.svg)", "",
             "*Memory and time against the number of training rows.*", "",
             "| method | along | sizes | seconds | "
             "slope | peak, MB |", "|---|---|---|---|--:|---|"]
    for method, label in SCALING_METHODS.items():
        for along in ("n", "p"):
            found = series(points, method, along)
            if len(found) > 1:
                joined = lambda key, form: ", ".join(format(q[key], form)
                                                     for q in found)
                lines.append(f"| {label} | {along} | {joined(along, ',')} | "
                             f"{joined('seconds', '.2f')} | "
                             f"{slope(found, along):.2f} | "
                             f"{joined('peak_mb', '.0f')} |")
    return lines


BEYOND = """
## Beyond memory

What `large.py` found: a million points of two blobs (W8: 1,000 queries, the ten most
helpful and the ten most harmful points of each, and all self-influences); the digits
repeated to 100,000 with the network of W5 and EKFAC (W9: 100 queries, the same
question); W9 by worker processes of Dask with one thread each (W10). A peer that would
not end in ten minutes on one core gets fewer points, so compare milliseconds a point.
*Seconds* are of fit and question together; where the clock is the processor's, those of
the worker that had most to do. *Bound* is what the matrix products that EKFAC cannot do
without take at the rate of a large product in the same process. *Error* is the relative
distance of the values found from what EKFAC is defined to give at these points, by code
of its own in float64 (for W8, from dense algebra); the peers' Fisher differs, as in W5.

| work | library, method | points | workers | seconds | ms a point | × ours |\
 bound, s | peak, MB | error | measured |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|---|"""


def taken(row):
    "Seconds of a row of `large.py`; by the processor's clock, of its busiest worker"
    if row["clock"] == "processor" and row.get("worker_processor_s"):
        return max(row["worker_processor_s"])
    return row["seconds"]


def large_lines(rows):
    "A line for each measurement of large.py, and what the workers gained"
    lines = BEYOND.split("\n")
    each = {(row["work"], row["library"], row["workers"]): taken(row) / row["rows"]
            for row in rows if "failed" not in row}
    for row in rows:
        key = row["work"], row["library"], row["workers"]
        start = [row["work"], f"{name_of(row)}, {row['method']}", f"{row['rows']:,}",
                 str(row["workers"] or "–")]
        if "failed" in row:
            lines.append(f"| {' | '.join(start)} | {row['failed'][:80]} |" + " |" * 6)
            continue
        ours = each.get((row["work"], "influence_nb", row["workers"]))
        cells = [cell(taken(row)), f"{1e3 * each[key]:.3g}",
                 f"{each[key] / ours:.1f}" if ours else "–",
                 cell(row["bound_s"]) if "bound_s" in row else "–",
                 f"{row['peak_mb']:.0f}" if "peak_mb" in row else "–",
                 f"{row['error']:.1e}", f"{row['date']}, {row['clock']} clock, "
                 f"{row['threads']} thread{'s' * (row['threads'] > 1)}"]
        lines.append(f"| {' | '.join(start + cells)} |")
    one, two = (each.get(("W10", "influence_nb", workers)) for workers in (1, 2))
    if one and two:
        lines += ["", f"- W10, influence_nb: two workers are {one / two:.2f} "
                              "times as fast as one."]
    apart = [row["difference"] for row in rows if "difference" in row]
    if apart: lines += [f"- W10, influence_nb: the values differ from those of one "
                        f"process by {max(apart):.1e} (relative, float32)."]
    return lines


def attempt_lines(path=Path(__file__).with_name("attempts.json")):
    "Ways to W4 that were tried (attempts.py), cheapest first; nothing without the file"
    if not path.exists():
        return []
    found = json.loads(path.read_text())
    lines = ["", "### W4 by other ways", "", "What `attempts.py` found with "
             "influence_nb alone, apart from the run above: conjugate gradient with a "
             "sketch or with EKFAC's inverse as preconditioner, and block conjugate "
             "gradient, which searches one Krylov space for all 32 right-hand sides. "
             "*Columns* counts products of the Hessian with one vector, sketch and "
             "final residual included. The matrix itself would take 9 GB, so that "
             "announcing columns to it (`densified_for`) changes nothing here. The "
             "seconds were taken on one thread of a machine with other work, and "
             "compare with nothing: compare columns.", "",
             "| way | columns | iterations | error | seconds |",
             "|---|--:|--:|--:|--:|"]
    for name, r in sorted(found.items(), key=lambda item: item[1]["columns"]):
        lines.append(f"| {name} | {r['columns']:,} | {r['iterations']} | "
                     f"{r['error']:.1e} | {r['seconds']:.0f} |")
    return lines


def picture_lines(found):
    "The figure at the top, described."
    if not any("peer" in one for one in found["workloads"].values()): return []
    return ["", "![One row a workload on a logarithmic axis of seconds. A filled dot, "
            "influence_nb, lies left of an open one, the fastest peer that is as good, "
            "in every row; beside them stands by how many times.](short.svg)", "",
            "*Seconds of influence_nb and of the fastest peer that is as good, on the "
            "workloads below. On W4 and W4b these are seconds of the processor.*"]


def markdown(report):
    "The whole report."
    lines = ["# Benchmarks", *picture_lines(report["summary"]), "",
             f"Measured on {report['date']} on {report['cores']} "
             f"cores ({report['threads']} threads), {report['system']}, "
             f"Python {report['python']}, in one run, but for the tables that say "
             "otherwise: each measurement in a process of "
             f"its own, warmed up, medians of {report['rounds']} rounds (2 where "
             "one takes over 10 s) with the libraries in turn. Times vary by machine: "
             "compare within a table.", "", "**Run it again**: `python "
             "benchmarks/run.py` from the project's environment makes the peers' "
             "environments and the trained networks on first use, measures "
             "everything and writes this page, `results.json` and the figures; "
             "`--only W4,W5`, `--libraries influence_nb,pydvl`, `--quick` for a part.",
             "", "**Read it**: *loader* is the time inside the data loaders' own "
             "iteration, which *fit*, *influences* and "
             "*together* leave out and *wall* counts: who reads the data again for "
             "every product pays it many times. *Peak* is the highest resident "
             "memory over the loaded process; the result itself is part of it. *Error* "
             "is the relative Frobenius distance from the exact damped influences "
             "(dense float64 algebra, or conjugate "
             "gradients to a residual of 1e-8; of 1e-11 for W4 and W4b), "
             "*correlation* Pearson's with them, *error from definition* the distance "
             "from what the method is defined to give, computed by hand. *By hand* is "
             "code for just this model: a bound, not a "
             "fair rival. *Batch* is the size of the loaders' batches. A run over "
             f"{report['limit_s']} s or {report['memory_gb']} GB is cut off, and the "
             "row says so. The networks on the digits (1,437 to train, pixels from "
             "0 to 1) minimize the mean loss plus (0.001/2)‖θ‖² by L-BFGS, so "
             "that H + 0.01 I is positive definite."]
    if report["quick"]:
        lines += ["", "**A quick run on small data: the plumbing was tried, the "
                  "numbers mean nothing.**"]
    if report["summary"]["workloads"]:
        lines += summary_lines(report["summary"])
    if report["scaling"]:
        lines += scaling_lines(report["scaling"])
    for workload, rows in report["workloads"].items():
        lines += table(workload, rows, report.get("apart", {}).get(workload))
        lines += attempt_lines() if workload == "W4b" else []
    if report.get("large"):
        lines += large_lines(report["large"])
    torches = {f"{NAMES.get(r['library'], r['library'])} with torch {r['torch']}"
               for rows in report["workloads"].values() for r in rows if "torch" in r}
    return "\n".join(lines + ["", "Versions: " + "; ".join(sorted(torches)) + ".", ""])
