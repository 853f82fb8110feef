import warnings
from typing import NamedTuple
import torch
from influence_nb.training import ConvergenceWarning
from influence_nb.influence import Influence

class CgResult(NamedTuple):
    "What `conjugate_gradient` found, column by column."
    solution: torch.Tensor  # X with A X ≈ B, [p, k] (or [p])
    residual_norms: torch.Tensor  # ‖b − A x‖ after each iteration, [iterations + 1, k], as the recurrence has it
    final_residual_norms: torch.Tensor  # ‖b − A x‖ computed anew at the end, [k]
    converged: torch.Tensor  # the final residual within the tolerance, [k] bool
    smallest_curvature: float  # smallest vᵀAv / vᵀv over all directions searched; inf if there was none

class NegativeCurvatureError(ValueError):
    "Conjugate gradient met a direction in which the matrix is not positive; the message says how negative."

def conjugate_gradient(
    A,  # symmetric positive definite [p, p]: a tensor, a `Curvature`, or anything with `@`
    B: torch.Tensor,  # right-hand sides, [p] or [p, k]
    *,
    rtol: float | None = None,  # stop a column at ‖r‖ ≤ max(rtol·‖b‖, atol); 1e-10 in float64, 1e-5 in float32 by default
    atol: float = 0.0,  # absolute part of the same rule
    maxiter: int | None = None,  # largest number of iterations; 10 p, and at least 50, by default
    preconditioner=None,  # function from residuals [p, k] to M⁻¹ times them
) -> CgResult:  # solution, residual history, convergence and curvature
    """Solve A X = B for all columns at once, each with its own steps and its own stopping rule (Hestenes & Stiefel 1952).

    A finished column is left alone. A column that meets negative curvature stops there and is not converged.
    """
    columns = B[:, None] if B.ndim == 1 else B
    if columns.ndim != 2 or not columns.isfinite().all(): raise ValueError("B must be a finite vector [p] or block [p, k]")
    rtol = _DEFAULT_RTOL[B.dtype] if rtol is None else rtol
    maxiter = max(50, 10 * len(B)) if maxiter is None else maxiter
    precondition = preconditioner or (lambda R: R)
    X, R, smallest = torch.zeros_like(columns), columns.clone(), float("inf")
    P = precondition(R).clone()
    rho, norms = (R * P).sum(0), R.norm(dim=0)
    target, history = (rtol * norms).clamp(min=atol), [norms]
    active = (norms > target).nonzero()[:, 0]
    while len(active) and len(history) <= maxiter:
        p = P[:, active]
        Ap = A @ p
        pAp = (p * Ap).sum(0)
        smallest = min(smallest, (pAp / (p * p).sum(0)).min().item())
        positive = pAp > 0
        alpha = torch.where(positive, rho[active] / pAp, 0)
        X[:, active] += alpha * p
        r = R[:, active] - alpha * Ap
        z = precondition(r)
        new_rho = (r * z).sum(0)
        P[:, active] = z + new_rho / rho[active] * p
        R[:, active], rho[active] = r, new_rho
        history.append(history[-1].index_copy(0, active, r.norm(dim=0)))
        active = active[positive & (history[-1][active] > target[active])]
    final = (columns - A @ X).norm(dim=0)
    return CgResult(X.reshape(B.shape), torch.stack(history), final, final <= 1.1 * target, smallest)

_DEFAULT_RTOL = {torch.float64: 1e-10, torch.float32: 1e-5}

class CgInverse:
    "Solve with conjugate gradient: never forms the matrix. Keeps the last `CgResult` in `.result`."
    def __init__(
        self,
        curvature,  # symmetric positive definite, [p, p], with `@`
        **options,  # passed to `conjugate_gradient`
    ):
        self.curvature, self.options, self.result = curvature, options, None

    def __call__(
        self,
        B: torch.Tensor,  # right-hand sides, [p, k]
    ) -> torch.Tensor:  # H⁻¹B, [p, k]
        "Raises `NegativeCurvatureError`; warns `ConvergenceWarning` with the residual reached."
        self.result = result = conjugate_gradient(self.curvature, B, **self.options)
        if result.smallest_curvature <= 0:
            raise NegativeCurvatureError(f"the matrix is not positive definite: conjugate gradient met a curvature of {result.smallest_curvature:.3e}. "
                                         f"Give a hessian_regularization larger than {-result.smallest_curvature:.1e}, or use second_order_mode='gauss_newton'")
        if not result.converged.all():
            worst = (result.final_residual_norms / B.norm(dim=0))[~result.converged].max().item()
            warnings.warn(f"conjugate gradient did not converge for {(~result.converged).sum()} of {B.shape[1]} right-hand sides after {len(result.residual_norms) - 1} "
                          f"iterations: relative residual {worst:.1e}. Raise maxiter, or hessian_regularization, or rtol", ConvergenceWarning, stacklevel=2)
        return result.solution

    def to(self, device): self.curvature.to(device)

class CgInfluence(Influence):
    "Influence functions by conjugate gradient: memory O(p), for models whose matrix cannot be stored."
    def __init__(
        self,
        model,  # a trained `nn.Module`; it is copied at `.fit` and never changed
        loss,  # loss(model(x), y), a mean over the batch
        hessian_regularization=0.0,  # λ, or a mapping of block name → λ
        *,
        rtol: float | None = None,  # relative residual to reach; 1e-10 in float64, 1e-5 in float32 by default
        atol: float = 0.0,  # absolute residual to reach
        maxiter: int | None = None,  # largest number of iterations; 10 p, and at least 50, by default
        **structure,  # second_order_mode and block_structure, as in `Influence`
    ):
        super().__init__(model, loss, hessian_regularization, **structure)
        self.options = dict(rtol=rtol, atol=atol, maxiter=maxiter)

    def inverse(self, curvature): return CgInverse(curvature, **self.options)
