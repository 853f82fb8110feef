"""Influences on a cluster of two processes: the numbers of one machine, whatever
happens to a worker.

A worker kills itself (kill -9) while it opens a chunk in the middle of a fit, another
one is killed between the fit and the question, a third one in the middle of the
influences; the results are the same bits as on an undisturbed cluster.
"""
import os
import signal
import tempfile
import time
import warnings
from pathlib import Path

import dask
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from influence_nb import (CgInfluence, ClusterInfluence, DirectInfluence,
                          EkfacInfluence,
                          TorchMLP, check_close)

CHUNKS, SIZE = 6, 200


def points(chunk, dtype=torch.float64):
    "The samples of a chunk, always the same"
    draw = torch.Generator().manual_seed(chunk)
    x = torch.randn(SIZE, 12, generator=draw, dtype=torch.float64)
    return x.to(dtype), (x[:, :4] ** 2).argmax(1)


def loader_of(chunk, dtype, marker=None):
    "What a worker opens; where there is a marker it dies once, and takes that away"
    if marker is not None and Path(marker).exists():
        Path(marker).unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return DataLoader(TensorDataset(*points(chunk, dtype)), batch_size=64)


def promised(dtype=torch.float64, fatal=None, marker=None):
    "Delayed loaders of all chunks; the fatal one kills its worker once"
    return [dask.delayed(loader_of)(chunk, dtype, marker if chunk == fatal else None)
            for chunk in range(CHUNKS)]


def here(dtype=torch.float64):
    "The same data in one place"
    return [tuple(torch.cat(parts) for parts in zip(
        *(points(chunk, dtype) for chunk in range(CHUNKS))))]


def model_of(dtype):
    torch.manual_seed(0)
    return TorchMLP([12, 8, 4]).to(dtype)


def influence_of(kind, dtype):
    curved = {} if kind is EkfacInfluence else {"second_order_mode": "gauss_newton"}
    return kind(model_of(dtype), F.cross_entropy, 0.1, **curved)


def workers(client): return set(client.run(os.getpid).values())


def same_numbers(client):
    "As on one machine: 1e-9 in double precision, 1e-6 in single"
    for kind in (DirectInfluence, CgInfluence, EkfacInfluence):
        for dtype, tol in ((torch.float64, 1e-9), (torch.float32, 1e-6)):
            if kind is CgInfluence: tol = 1e-4  # its own tolerance
            test, loaders = points(99, dtype), promised(dtype)
            shared = ClusterInfluence(influence_of(kind, dtype)).fit(loaders)
            alone = influence_of(kind, dtype).fit(here(dtype))
            expected = alone.influences(*test, *here(dtype)[0])
            found = torch.as_tensor(shared.influences(*test, loaders).compute())
            error = ((found - expected).norm() / expected.norm()).item()
            assert found.dtype == dtype and error < tol, (kind, dtype, error)
            if kind is CgInfluence: continue
            best = shared.most_influential(*test, loaders, k=5)
            largest = found.sort(dim=1, descending=True, stable=True)
            assert torch.equal(best.helpful, largest.indices[:, :5])
            check_close(best.helpful_influences, largest.values[:, :5], 1e-12)
            own = torch.as_tensor(shared.self_influences(loaders).compute())
            check_close(own, alone.self_influences(*here(dtype)[0]), tol)


def killed_at_work(client, marker):
    "While it opens a chunk for a fit, and while it opens one for the influences"
    test = points(99)
    def asked(fit_on, ask_for):
        shared = ClusterInfluence(influence_of(EkfacInfluence, torch.float64))
        return shared.fit(fit_on).most_influential(*test, ask_for, k=5)
    expected = asked(promised(), promised())
    fatal = promised(fatal=3, marker=str(marker))
    for data in ((fatal, promised()), (promised(), fatal)):
        marker.touch()
        before, found = workers(client), asked(*data)
        assert not marker.exists() and workers(client) != before, "nobody died"
        assert all(map(torch.equal, found, expected)), "a death changed the numbers"


def killed_between(client):
    "What a dead worker held is made again"
    test = points(99)
    shared = ClusterInfluence(influence_of(CgInfluence, torch.float64)).fit(promised())
    expected = shared.influences(*test, promised()).compute()
    victim = next(address for address, keys in client.has_what().items() if keys)
    pid = client.run(os.getpid, workers=[victim])[victim]
    os.kill(pid, signal.SIGKILL)
    found = shared.influences(*test, promised()).compute()
    assert (found == expected).all() and pid not in workers(client)


def main():
    from dask.distributed import Client, LocalCluster
    torch.set_num_threads(1)
    started = time.time()
    dask.config.set({"distributed.comm.timeouts.connect": "300s",
                     "distributed.deploy.lost-worker-timeout": "300s",
                     "distributed.worker.daemon": True})
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder, \
            LocalCluster(n_workers=2, threads_per_worker=1, processes=True,
                         dashboard_address=None, silence_logs=60) as cluster, \
            Client(cluster, timeout="300s") as client:
        assert len(workers(client)) == 2 and os.getpid() not in workers(client)
        print(f"cluster after {time.time() - started:.0f} s", flush=True)
        same_numbers(client)
        print(f"same numbers after {time.time() - started:.0f} s", flush=True)
        killed_at_work(client, Path(folder) / "die")
        print(f"killed at work after {time.time() - started:.0f} s", flush=True)
        killed_between(client)
    print(f"two processes give the numbers of one machine, and three deaths of workers "
          f"changed no bit ({time.time() - started:.0f} s)")


if __name__ == "__main__": main()
