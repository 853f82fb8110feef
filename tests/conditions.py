"""Every inverse on Hessians with condition numbers from 100 to a million, in both
precisions, with losses and inputs scaled, with and without a point far from all others:
it keeps its promise, or says that it cannot. Never a wrong number in silence.

Run by `make test`. Prints every case that is wrong, and a count.
"""
import itertools
import sys
import time
from collections import Counter
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from influence_nb.shared_checks import hard_case, hard_methods, hard_outcome  # noqa: E402

CONDITIONS, DTYPES = (1e2, 1e4, 1e6), (torch.float64, torch.float32)
LOSSES, INPUTS, OUTLIER = (1e-20, 1.0, 1e20), (1e-6, 1.0, 1e6), (False, True)


def main():
    start, tally = time.time(), Counter()
    torch.set_num_threads(1)
    sweep = itertools.product(CONDITIONS, DTYPES, LOSSES, INPUTS, OUTLIER)
    for condition, dtype, loss_scale, input_scale, outlier in sweep:
        case = hard_case(condition, dtype, loss_scale=loss_scale,
                         input_scale=input_scale, outlier=outlier)
        for name, (make, *promise) in hard_methods(dtype).items():
            outcome = hard_outcome(make, case, loss_scale, *promise)
            tally[name, outcome.split(":")[0]] += 1
            if outcome.startswith("wrong"): print(f"{name}, {dtype}, {case.name}: {outcome}")
    for (name, outcome), count in sorted(tally.items()): print(f"{count:4}  {outcome:6} {name}")
    wrong = sum(count for (_, outcome), count in tally.items() if outcome == "wrong")
    print(f"{sum(tally.values())} cases in {time.time() - start:.0f} s, {wrong} wrong")
    return not wrong


if __name__ == "__main__": sys.exit(not main())
