"""Everything on an accelerator, if there is one: the numbers of the processor.

Every class is fitted there, and fitted here and moved; influences, self-influences, the
largest ones, and what was saved there and loaded here.

    python tests/device.py          # CUDA or MPS, or a sentence that there is none
    python tests/device.py cpu      # the same calls, without any move
"""
import copy
import sys
import tempfile
import warnings
from pathlib import Path

import torch
import torch.nn.functional as F

from influence_nb import (ArnoldiInfluence, BlockCgInfluence, CgInfluence,
                          DirectInfluence, EkfacInfluence, InverseHarmonicMeanInfluence,
                          LissaInfluence, NystroemSketchInfluence, PushThroughInfluence,
                          TorchMLP, mean_influences, streamed_self_influences)


def accelerator():
    "The device that is here, or None"
    if len(sys.argv) > 1: return torch.device(sys.argv[1])
    if torch.cuda.is_available(): return torch.device("cuda")
    if torch.backends.mps.is_available(): return torch.device("mps")
    return None


def kinds():
    "A function of the model for each class"
    curved = dict(second_order_mode="gauss_newton")
    return {
        "direct": lambda m: DirectInfluence(m, F.cross_entropy, 0.1, **curved),
        "direct, Hessian": lambda m: DirectInfluence(m, F.cross_entropy, 1.0),
        "CG": lambda m: CgInfluence(m, F.cross_entropy, 0.1, **curved),
        "block CG": lambda m: BlockCgInfluence(m, F.cross_entropy, 0.1, **curved),
        "LiSSA": lambda m: LissaInfluence(m, F.cross_entropy, 1.0, **curved),
        "Arnoldi": lambda m: ArnoldiInfluence(m, F.cross_entropy, 0.1, rank=30,
                                              **curved),
        "Nyström": lambda m: NystroemSketchInfluence(m, F.cross_entropy, 0.1, rank=30,
                                                     **curved),
        "push-through": lambda m: PushThroughInfluence(m, F.cross_entropy, 0.1),
        "harmonic mean":
            lambda m: InverseHarmonicMeanInfluence(m, F.cross_entropy, 0.1),
        "EKFAC": lambda m: EkfacInfluence(m, F.cross_entropy, 0.1)}


def answers(influence, test, train):
    "What can be asked, on the processor"
    most = influence.most_influential(*test, *train, k=5, progress=False)
    found = [influence.influences(*test, *train), influence.self_influences(*test),
             mean_influences(influence, *test, *train, progress=False),
             streamed_self_influences(influence, *test), most.helpful_influences]
    return [part.cpu().double() for part in found]


def differs(found, expected):
    return max(((a - b).norm() / b.norm()).item() for a, b in zip(found, expected))


def main():
    device = accelerator()
    if device is None:
        return print("skipped: there is no accelerator here (no CUDA, no MPS); "
                     "`python tests/device.py cpu` runs the same calls without one")
    warnings.simplefilter("ignore")
    draw = torch.Generator().manual_seed(0)
    dtype = torch.float32 if device.type == "mps" else torch.float64
    x = torch.randn(300, 12, generator=draw, dtype=torch.float64).to(dtype)
    y, tol = (x[:, :4] ** 2).argmax(1), 1e-8 if dtype == torch.float64 else 1e-3
    torch.manual_seed(0)
    model = TorchMLP([12, 6, 4]).to(dtype)
    there = copy.deepcopy(model).to(device)
    data, moved = (x, y), (x.to(device), y.to(device))
    test, test_moved = ([part[:20] for part in pair] for pair in (data, moved))
    for name, kind in kinds().items():
        here = kind(model).fit([data])
        expected = answers(here, test, data)
        fitted = kind(there).fit([moved])
        errors = [differs(answers(fitted, test_moved, moved), expected),
                  differs(answers(here.to(device), test_moved, moved), expected)]
        if name in ("direct", "EKFAC", "Arnoldi"):
            with tempfile.TemporaryDirectory() as folder:
                fitted.save(Path(folder) / "fitted")
                again = kind(copy.deepcopy(there).cpu()).load(Path(folder) / "fitted")
            errors.append(differs(answers(again, test, data), expected))
        assert max(errors) < tol, (name, errors)
        assert {p.device.type for p in there.parameters()} == {device.type}
        print(f"{name} on {device}: {max(errors):.0e}")
    print(f"{device}: the numbers of the processor")


if __name__ == "__main__": main()
