"""With how many columns is curvature by ordinary backpropagation done sooner?

Products of the Hessian and of Gauss-Newton with k columns, by transforms (forward once,
then `vmap` over the columns) and by ordinary backpropagation (one column after the
other), for models that are no chain of layers, two samples and 256. Prints how many
times as long ordinary backpropagation takes, in processor time, the least of some
rounds. `influence_nb.curvature.FEW` is the number of columns up to which it is asked.

    OMP_NUM_THREADS=1 python benchmarks/columns.py
"""
import argparse
import sys
import time
import warnings
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from influence_nb import LossOfParameters  # noqa: E402
from influence_nb.curvature import CURVATURES, FEW, PLAIN_CURVATURES  # noqa: E402

COLUMNS = (1, 2, 3, 4, 8, 32)


class Wrapped(nn.Module):
    "A model that hides that it is a chain"
    def __init__(self, *parts):
        super().__init__()
        self.parts = nn.Sequential(*parts)

    def forward(self, x): return self.parts(x)


class Encoder(nn.Module):
    "A layer of attention over eight positions"
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(8, 16), nn.Linear(16, 10)
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, 0.0, batch_first=True)

    def forward(self, x): return self.last(self.layer(self.first(x)).mean(1))


def models():
    "Name → (model, shape of a sample)"
    def mlp(*widths):
        parts = []
        for pair in zip(widths, widths[1:]): parts += [nn.Linear(*pair), nn.Tanh()]
        return Wrapped(*parts[:-1])
    image = nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10)
    return {"2-1-10": (mlp(2, 1, 10), (2,)), "64-32-10": (mlp(64, 32, 10), (64,)),
            "64-256-64-10": (mlp(64, 256, 64, 10), (64,)),
            "convolution": (Wrapped(*image), (1, 8, 8)),
            "attention": (Encoder(), (8, 8))}


def seconds(work, rounds):
    "Processor seconds of a call, the least of some"
    found = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    print(f"columns{'':29s}" + "".join(f"{k:7d}" for k in COLUMNS))
    for name, (model, shape) in models().items():
        f = LossOfParameters(model.double(), F.cross_entropy)
        for n in (2, 256):
            x, y = torch.randn(n, *shape).double(), torch.randint(10, (n,))
            for mode in PLAIN_CURVATURES:
                ratios = []
                for k in COLUMNS:
                    asked = f, f.theta, x, y, torch.randn(len(f.theta), k).double()
                    plain, fast = (seconds(lambda: kind[mode](*asked), args.rounds)
                                   for kind in (PLAIN_CURVATURES, CURVATURES))
                    ratios.append(plain / fast)
                print(f"{name:13s}{n:4d} samples {mode:12s}"
                      + "".join(f"{ratio:7.2f}" for ratio in ratios), flush=True)
    print(f"ordinary backpropagation is asked for up to {FEW} columns")


if __name__ == "__main__":
    main()
