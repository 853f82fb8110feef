"""W4 by several ways, at two tolerances: products with the Hessian, iterations, true
error and processor seconds of each, in attempts.json, which report.py prints below W4.

`python benchmarks/attempts.py [way …]`, after `python benchmarks/prepare.py W4`; rows
of ways that are not named stay as they are. Products count columns: the 32 right-hand
sides of an iteration are 32, a sketch of rank 100 is 100, and the true residual at the
end is counted too.
"""
import json
import sys
import time
from pathlib import Path

import torch

import workloads

sys.path.append(str(Path(__file__).resolve().parent.parent))
from influence_nb import (  # noqa: E402
    Curvature, EkfacPreconditioner, LossOfParameters, NystroemPreconditioner,
    block_conjugate_gradient, conjugate_gradient, per_sample_gradients)
from influence_nb.cg import BlockCgInverse  # noqa: E402

KEPT = Path(__file__).with_name("attempts.json")


class Counting:
    "A matrix that counts the columns it is multiplied with."
    def __init__(self, A): self.A, self.columns, self.shape = A, 0, A.shape

    def __matmul__(self, V):
        self.columns += V.shape[1]
        return self.A @ V


class Root:
    "M^(-1/2) A M^(-1/2) for Nyström's M: block conjugate gradient with that M."
    def __init__(self, A, M):
        self.A, self.U = A, M.vectors
        scale = M.hessian_regularization / (M.values + M.hessian_regularization)
        self.change, self.shape = (scale.sqrt() - 1)[:, None], A.shape

    def half(self, V): return V + self.U @ (self.change * (self.U.T @ V))
    def __matmul__(self, V): return self.half(self.A @ self.half(V))


def block_with_single(curvature, A, G, rtol):
    "Block conjugate gradient, in float32 as soon as that is exact enough"
    single = BlockCgInverse(curvature, mixed_precision=True).coarse
    def coarse(V):
        A.columns += V.shape[1]
        return single(V)
    return block_conjugate_gradient(A, G, rtol=rtol, coarse=coarse)


def solve(way, curvature, A, G, rtol):
    "Right-hand sides G [p, k] by a way with this name: X and iterations"
    kind, _, rank = way.partition(", rank ")
    if kind == "block": result = block_conjugate_gradient(A, G, rtol=rtol)
    elif kind == "block with float32": result = block_with_single(curvature, A, G, rtol)
    elif kind == "EKFAC":
        M = EkfacPreconditioner()(curvature)
        result = conjugate_gradient(A, G, rtol=rtol, preconditioner=M)
    else:
        M = NystroemPreconditioner(int(rank))(curvature)
        A.columns += int(rank)
        if kind == "Nyström":
            result = conjugate_gradient(A, G, rtol=rtol, preconditioner=M)
        else:
            root = Root(A, M)
            result = block_conjugate_gradient(root, root.half(G), rtol=rtol)
            result = result._replace(solution=root.half(result.solution))
    return result.solution, len(result.residual_norms) - 1


WAYS = ("Nyström, rank 100", "block", "block with float32",
        "block with Nyström, rank 100", "block with Nyström, rank 300", "EKFAC")


def main(ways):
    problem = workloads.make("W4")
    f, exact = LossOfParameters(problem.model, problem.loss), problem.answers()["exact"]
    G = per_sample_gradients(f, problem.x_test, problem.y_test).T.contiguous()
    rows = per_sample_gradients(f, problem.x, problem.y)
    data = [(problem.x, problem.y)]
    curvature = Curvature(f, data, "hessian", problem.damping)
    found = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for way in ways:
        for rtol in (1e-4, 1e-8):
            A, start = Counting(curvature), time.process_time()
            X, iterations = solve(way, curvature, A, G, rtol)
            seconds = time.process_time() - start
            error = workloads.distance((rows @ X).T, exact)
            found[f"{way}, rtol {rtol:.0e}"] = {
                "columns": A.columns, "iterations": iterations, "error": error,
                "seconds": seconds, "threads": torch.get_num_threads()}
            KEPT.write_text(json.dumps(found, indent=1) + "\n")
            print(way, rtol, found[f"{way}, rtol {rtol:.0e}"], flush=True)


if __name__ == "__main__": main(sys.argv[1:] or WAYS)
