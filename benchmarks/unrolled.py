"""What a sweep backwards through a run costs, in runs of training (W11).

The digits network of *Through training*: 64-32-10, ten epochs of momentum in batches of
64, 230 steps, in float64 and in float32. 200 queries in one sweep, with the path kept
and with one state in √T kept. The unit is the run that was recorded, `run.step` in its
loop; beside it the same run by a plain loop and by a `DataLoader`. All kinds in turn,
the best of some rounds, by the clock on the wall and by that of the processor; with
other work on the machine only the latter, with one thread, means anything.

The last line of each part is what the sweep cannot do without: the matrix products of
200 columns, counted, at the speed that this machine has for one product of their shape.

    python benchmarks/unrolled.py                          # two threads, three rounds
    python benchmarks/unrolled.py --threads 1 --rounds 5 --profile  # where time goes
"""
import argparse
import cProfile
import pstats
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from influence_nb import TorchMLP, TrainingRun, UnrolledInfluence  # noqa: E402

QUERIES, EPOCHS, BATCH, LAYERS = 200, 10, 64, (64, 32, 10)
KEPT, CHECKPOINTS = 5, 6  # training runs that a sweep may cost


class Work:
    "The digits and the kinds of training in one precision"
    def __init__(self, dtype):
        digits = load_digits()
        X = torch.as_tensor(digits.data / 16, dtype=dtype)
        Y = torch.as_tensor(digits.target)
        self.train, self.dtype = (X[:1437], Y[:1437]), dtype
        self.test = X[1437:1437 + QUERIES], Y[1437:1437 + QUERIES]

    def begin(self):
        torch.manual_seed(0)
        model = TorchMLP(LAYERS).to(self.dtype)
        return model, torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)

    def by_rows(self, recorded):
        "The loop as in the chapter"
        model, optimizer = self.begin()
        run = TrainingRun(model, F.cross_entropy, *self.train, optimizer)
        step = run.step if recorded else lambda indices: optimizer.step()
        generator = torch.Generator().manual_seed(0)
        for _ in range(EPOCHS):
            for rows in torch.randperm(len(run.x), generator=generator).split(BATCH):
                optimizer.zero_grad()
                F.cross_entropy(model(run.x[rows]), run.y[rows]).backward()
                step(rows)
        return run

    def by_loader(self):
        "The loop as most people write it"
        model, optimizer = self.begin()
        loader = DataLoader(TensorDataset(*self.train), BATCH, shuffle=True)
        for _ in range(EPOCHS):
            for x, y in loader:
                optimizer.zero_grad()
                F.cross_entropy(model(x), y).backward()
                optimizer.step()


def seconds(work):
    "(wall, processor) seconds of one call"
    start = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start[0], time.process_time() - start[1]


def operations(steps):
    "Multiplications and additions of the sweep's matrix products"
    first, *others = zip(LAYERS, LAYERS[1:])
    a_column = 2 * (first[0] + 1) * first[1]  # forward with V, and the part of ∇²L V
    for width, out in others:
        a_column += 2 * (width + 1) * out + 4 * width * out  # and W, Wᵀ, δ twice
    return 2 * a_column * BATCH * QUERIES * steps


def product_speed(dtype, columns=100):
    "Operations a second (wall, processor) of a product as in the first layer"
    a = torch.randn(BATCH, LAYERS[0] + 1, dtype=dtype)
    V = torch.randn(LAYERS[0] + 1, LAYERS[1] * columns, dtype=dtype)
    out = a @ V
    def some():
        for _ in range(50): torch.mm(a, V, out=out)
    best = map(min, zip(*(seconds(some) for _ in range(7))))
    return [50 * 2 * a.numel() * V.shape[1] / time for time in best]


def measured(dtype, rounds):
    "{kind: best (wall, processor) seconds}, and an influence to look into"
    work = Work(dtype)
    run = work.by_rows(recorded=True)
    every = round(len(run.steps) ** 0.5)
    kept, some = (UnrolledInfluence(run.model, F.cross_entropy, every=k).fit(run)
                  for k in (1, every))
    kinds = {"training, recorded": lambda: work.by_rows(True),
             "training, plain loop": lambda: work.by_rows(False),
             "training, data loader": work.by_loader,
             "path kept": lambda: kept.influences(*work.test),
             f"one state in {every}": lambda: some.influences(*work.test)}
    for each in kinds.values(): each()  # the first call compiles and warms up
    times = {name: [] for name in kinds}
    for _ in range(rounds):
        for name, each in kinds.items(): times[name].append(seconds(each))
    found = {name: [min(column) for column in zip(*each)]
             for name, each in times.items()}
    speed = product_speed(dtype)
    found["its matrix products alone"] = [operations(len(run.steps)) / s for s in speed]
    return found, lambda: kept.influences(*work.test)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"{QUERIES} queries, {args.threads} thread(s); wanted: under {KEPT} recorded "
          f"trainings with the path kept, under {CHECKPOINTS} with checkpoints")
    for dtype in (torch.float64, torch.float32):
        found, sweep = measured(dtype, args.rounds)
        units = found["training, recorded"]
        print(f"\n{str(dtype):28s}   wall, s  trainings  processor, s  trainings")
        for name, (wall, processor) in found.items():
            print(f"{name:28s} {wall:9.2f} {wall / units[0]:10.1f} {processor:13.2f} "
                  f"{processor / units[1]:10.1f}")
        if args.profile:
            profile = cProfile.Profile()
            profile.runcall(sweep)
            pstats.Stats(profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
