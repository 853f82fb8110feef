"""How time and memory of influence_nb grow: one process a size, started by run.py,
prints one line of JSON.

Ten digits to explain, n rows made of digits with a little noise, a tanh network
64-h-h/4-10 as it is initialized, the Gauss-Newton matrix with λ = 0.01; ten steps of
conjugate gradient (always ten: no tolerance is set), or EKFAC.
"""
import argparse
import json
import time
import warnings

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

import workloads
from worker import Peak

ROWS = [500, 1000, 2000, 4000, 8000, 16000]  # n, at the width of W4 (p = 33,738)
WIDTHS = [32, 64, 128, 256, 512]  # h, at n = 2,000
METHODS = {"cg": "CgInfluence, ten steps", "ekfac": "EkfacInfluence"}


def jobs():
    "(method, n, h) of every point in the figure."
    return [(m, n, h) for m in METHODS for n, h in [(n, 256) for n in ROWS]
            + [(2000, h) for h in WIDTHS if h != 256]]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("rows", type=int)
    parser.add_argument("width", type=int)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    warnings.simplefilter("ignore")
    import influence_nb
    if args.method == "ekfac" and not hasattr(influence_nb, "EkfacInfluence"):
        print("RESULT " + json.dumps({"failed": "not available"}))
        return

    saved = torch.load(workloads.kept(workloads.layers_of("W3", True), True))
    x, y, x_test, y_test = (saved[k] for k in ("x", "y", "x_test", "y_test"))
    which = torch.arange(args.rows) % len(x)
    x, y = x[which] + 0.05 * torch.randn(args.rows, x.shape[1], dtype=x.dtype), y[which]
    model = workloads.network((64, args.width, args.width // 4, 10), torch.float64)

    def run(rows):
        if args.method == "cg":
            influence = influence_nb.CgInfluence(model, F.cross_entropy,
                                                 workloads.DAMPING, rtol=0.0,
                                                 maxiter=10,
                                                 second_order_mode="gauss_newton")
        else:
            influence = influence_nb.EkfacInfluence(model, F.cross_entropy,
                                                    workloads.DAMPING)
        influence.fit(DataLoader(TensorDataset(x[:rows], y[:rows]), batch_size=256))
        return influence.influences(x_test[:10], y_test[:10], x[:rows], y[:rows])

    run(300)
    with Peak() as peak:
        start = time.perf_counter()
        scores = run(args.rows)
        seconds = time.perf_counter() - start
    print("RESULT "
          + json.dumps({"method": args.method, "n": args.rows,
                        "p": sum(p.numel() for p in model.parameters()),
                        "seconds": seconds,
                        "peak_mb": max(peak.extra - scores.nbytes / 2**20, 0.1)}))


if __name__ == "__main__":
    main()
