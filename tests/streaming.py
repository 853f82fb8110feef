"""A writer of influences is killed (kill -9) at twenty random moments and started
again: the file on disk is that of a writer that nobody disturbed, bit by bit. The same
for a zarr array, of which now and then a block is torn besides.

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

import numpy as np
import torch
import zarr
from torch import nn

from influence_nb import DirectInfluence, TorchMLP, write_influences

KILLS = {"npy": 20, "zarr": 10}


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


def killed_writer(influence, folder, data, after, store):
    "Start a writer, kill it after so many seconds; whether it was still at work"
    child = os.fork()
    if not child:
        try: write_influences(influence, folder, *data, chunk_sizes=(20, 300),
                              progress=False, store=store)
        finally: os._exit(0)
    time.sleep(after)
    ended, _ = os.waitpid(child, os.WNOHANG)
    if ended: return False
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def torn(folder, chance):
    "Cut the file of one block of a zarr array in half; whether there is one"
    files = [path for path in (folder / "influences.zarr/c").glob("*/*")
             if path.stat().st_size > 100]
    if not files: return False
    path = chance.choice(sorted(files))
    content = path.read_bytes()
    path.write_bytes(content[:len(content) // 2])
    return True


def bits(folder, store):
    "The values on disk"
    if store == "npy": return np.load(folder / "influences.npy").tobytes()
    return zarr.open_array(str(folder / "influences.zarr"), mode="r")[:].tobytes()


def tormented(influence, data, store, here, chance):
    "Kill writers, in new folders where one has come to its end"
    plain = dict(chunk_sizes=(20, 300), progress=False, store=store)
    kills, turn, tears, blocks, one = 0, 0, 0, [], time.time()
    write_influences(influence, here / "undisturbed", *data, **plain)
    one, expected = time.time() - one, bits(here / "undisturbed", store)
    while kills < KILLS[store]:
        folder, turn = here / f"killed-{turn}", turn + 1
        going, before = True, 0
        while going and kills < KILLS[store]:
            going = killed_writer(influence, folder, data,
                                  chance.uniform(0.02, 0.25) * one, store)
            kills += going
            assert lines_of(folder) >= before, "a finished block was lost"
            before = lines_of(folder)
            blocks.append(before)
        if store == "zarr": tears += torn(folder, chance)
        write_influences(influence, folder, *data, progress=False, store=store)
        assert bits(folder, store) == expected, "a resumed run gave other bits"
    assert store == "npy" or tears, "no block was torn"
    return expected, (f"{store}: killed {kills} times in {turn} folders, {tears} "
                      "blocks torn, always the same bits; lines in the ledgers: "
                      f"{blocks}")


def main():
    if not hasattr(os, "fork"): sys.exit("skipped: this system has no os.fork")
    torch.set_num_threads(1)
    (influence, data), chance, found = work(), random.Random(0), set()
    for store in KILLS:
        with tempfile.TemporaryDirectory() as here:
            values, words = tormented(influence, data, store, Path(here), chance)
            found.add(values)
            print(words, flush=True)
    assert len(found) == 1, "the two kinds of array differ"


if __name__ == "__main__": main()
