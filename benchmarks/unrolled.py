"""What a sweep backwards through a run costs, in runs of training (W11).

The digits network of *Through training*: 64-32-10, float64, ten epochs of momentum in
batches of 64, 230 steps. 200 queries in one sweep, with the path kept and with one state
in √T kept. Processor time, so that other work on the machine matters less; the best of
some rounds, all kinds in turn.

Seen on one core that others were using too: 12 to 18 runs of training, where the plain
sweep took 38. The matrix products of the 200 columns are 35 GFLOP in float64, about a
second on such a core and so five runs of a training that is over in 0.2 s; what the sweep
takes beyond that is memory traffic and small products.

    OMP_NUM_THREADS=1 python benchmarks/unrolled.py            # three rounds
    OMP_NUM_THREADS=1 python benchmarks/unrolled.py 5 profile  # where the time goes
"""
import cProfile
import pstats
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from influence_nb import TorchMLP, TrainingRun, UnrolledInfluence  # noqa: E402

QUERIES, EPOCHS, BATCH = 200, 10, 64
KEPT, CHECKPOINTS = 5, 6  # training runs that a sweep may cost

digits = load_digits()
X, Y = torch.as_tensor(digits.data / 16), torch.as_tensor(digits.target)
train, test = (X[:1437], Y[:1437]), (X[1437:1437 + QUERIES], Y[1437:1437 + QUERIES])


def trained(record=True):
    "The loop as in the chapter; without recording it is the training run of the unit"
    torch.manual_seed(0)
    model = TorchMLP([64, 32, 10])
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    run = TrainingRun(model, F.cross_entropy, *train, optimizer)
    step = run.step if record else lambda indices: optimizer.step()
    generator = torch.Generator().manual_seed(0)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(X[:1437]), generator=generator).split(BATCH):
            optimizer.zero_grad()
            F.cross_entropy(model(train[0][rows]), train[1][rows]).backward()
            step(rows)
    return run


def seconds(work):
    "Processor time of one call"
    start = time.process_time()
    work()
    return time.process_time() - start


def measured(rounds):
    "The best processor seconds of each kind"
    run = trained()
    every = round(len(run.steps) ** 0.5)
    ways = {name: UnrolledInfluence(run.model, F.cross_entropy, every=k).fit(run)
            for name, k in {"path kept": 1, f"one state in {every}": every}.items()}
    work = {"training": lambda: trained(record=False)}
    work |= {name: lambda way=way: way.influences(*test) for name, way in ways.items()}
    for each in work.values(): each()  # the first call compiles and warms up
    times = {name: min(seconds(each) for _ in range(rounds))
             for name, each in work.items()}
    return times, ways["path kept"]


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    times, influence = measured(rounds)
    unit = times.pop("training")
    print(f"training: {unit:.2f} s, {torch.get_num_threads()} thread(s)")
    for (name, found), most in zip(times.items(), (KEPT, CHECKPOINTS)):
        print(f"{QUERIES} queries, {name}: {found:.2f} s = {found / unit:.1f} training "
              f"runs (wanted: under {most})")
    if "profile" in sys.argv:
        profile = cProfile.Profile()
        profile.runcall(influence.influences, *test)
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
