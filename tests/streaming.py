"""A writer of influences is killed (kill -9) at twenty random moments and started again:
the file on disk is that of a writer that nobody disturbed, bit by bit.

Needs a system with `os.fork`. Finished blocks are not computed again: the number of
blocks in the ledger never falls.
"""
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

from influence_nb import DirectInfluence, TorchMLP, write_influences

KILLS = 20


def work():
    "An influence, and data in 60 blocks"
    torch.manual_seed(0)
    x, y = torch.randn(6_000, 5).double(), torch.randint(3, (6_000,))
    x_test, y_test = torch.randn(60, 5).double(), torch.randint(3, (60,))
    influence = DirectInfluence(TorchMLP([5, 4, 3]), nn.CrossEntropyLoss(), 0.1,
                                second_order_mode="gauss_newton").fit([(x, y)])
    return influence, (x_test, y_test, x, y)


def lines_of(folder):
    ledger = folder / "blocks.txt"
    return len(set(ledger.read_bytes().split(b"\n"))) if ledger.exists() else 0


def killed_writer(influence, folder, data, after):
    "Start a writer, kill it after so many seconds; whether it was still at work"
    child = os.fork()
    if not child:
        try: write_influences(influence, folder, *data, chunk_sizes=(20, 300),
                              progress=False)
        finally: os._exit(0)
    time.sleep(after)
    ended, _ = os.waitpid(child, os.WNOHANG)
    if ended: return False
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def main():
    if not hasattr(os, "fork"): sys.exit("skipped: this system has no os.fork")
    torch.set_num_threads(1)
    influence, data = work()
    chance, kills, started, blocks = random.Random(0), 0, time.time(), []
    with tempfile.TemporaryDirectory() as here:
        undisturbed = Path(here) / "undisturbed"
        one = time.time()
        write_influences(influence, undisturbed, *data, chunk_sizes=(20, 300),
                         progress=False)
        one, turn = time.time() - one, 0
        expected = (undisturbed / "influences.npy").read_bytes()
        while kills < KILLS:
            folder, turn = Path(here) / f"killed-{turn}", turn + 1
            going, before = True, 0
            while going and kills < KILLS:
                going = killed_writer(influence, folder, data,
                                      chance.uniform(0.02, 0.25) * one)
                kills += going
                assert lines_of(folder) >= before, "a finished block was lost"
                before = lines_of(folder)
                blocks.append(before)
            write_influences(influence, folder, *data, progress=False)
            found = (folder / "influences.npy").read_bytes()
            assert found == expected, "a resumed run gave other bits"
    print(f"killed {kills} times in {turn} folders, always the same bits "
          f"({time.time() - started:.0f} s; lines in the ledgers: {blocks})")


if __name__ == "__main__": main()
