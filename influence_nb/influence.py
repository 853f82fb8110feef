import numpy as np
import torch
import matplotlib.pyplot as plt
from matplotlib.colors import TwoSlopeNorm
from influence_nb.training import LossOfParameters, check_samples
from influence_nb.gradients import gradient_chunks, mixed_chunks
from influence_nb.curvature import CURVATURES, Curvature

class NotFittedError(RuntimeError):
    "Influences were asked for before `.fit(train_loader)`."

class SingularHessianError(ValueError):
    "The Hessian has no inverse, or is not positive definite; the message names its smallest eigenvalue."

def parameter_blocks(
    f: LossOfParameters,  # the loss as a function of the parameters
    block_structure="full",  # "full", "layer", "parameter", or a mapping of block name → parameter names
) -> dict:  # block name → indices into θ, or None for all of θ
    "Split θ into blocks. Raises `ValueError` for an unknown structure, an unknown name, or blocks that miss or share parameters."
    if block_structure == "full": return {"full": None}
    if block_structure == "parameter": named = {name: [name] for name in f.names}
    elif block_structure == "layer":
        named = {}
        for name in f.names: named.setdefault(name.rpartition(".")[0] or name, []).append(name)
    elif hasattr(block_structure, "items"): named = dict(block_structure)
    else: raise ValueError(f"block_structure must be 'full', 'layer', 'parameter' or a mapping, got {block_structure!r}")
    given = [name for names in named.values() for name in names]
    if sorted(given) != sorted(f.names):
        raise ValueError(f"block_structure must name each of {f.names} exactly once, got {given}")
    ranges = dict(zip(f.names, torch.arange(len(f.theta), device=f.theta.device).split(f.sizes)))
    return {block: torch.cat([ranges[name] for name in names]) for block, names in named.items()}

class DirectInverse:
    "Solve with a dense Cholesky factor: exact, O(p³) once and O(p²) for each right-hand side."
    def __init__(
        self,
        curvature: Curvature,  # symmetric positive definite, [p, p]
    ):
        H = curvature.to_dense()
        self.factor, failed = torch.linalg.cholesky_ex(H)
        diagonal = self.factor.diagonal()
        if failed or not (diagonal.min() / diagonal.max()) ** 2 > 100 * len(H) * torch.finfo(H.dtype).eps: _refuse_singular(H)

    def __call__(
        self,
        B: torch.Tensor,  # right-hand sides, [p, k]
    ) -> torch.Tensor:  # H⁻¹B, [p, k]
        return torch.cholesky_solve(B, self.factor)

    def to(self, device): self.factor = self.factor.to(device)

def _refuse_singular(H):
    "Raise, unless the eigenvalues say that the matrix is safely positive definite after all"
    values = torch.linalg.eigvalsh(H)
    if values[0] > 10 * len(H) * torch.finfo(H.dtype).eps * values[-1]: return
    raise SingularHessianError(
        f"the Hessian is singular or indefinite: its smallest eigenvalue is {values[0]:.3e} (largest {values[-1]:.3e}). "
        f"Give a hessian_regularization above {max(0.0, -2 * values[0].item()) + 1e-6 * values[-1].item():.1e}, train to a minimum, "
        "or use second_order_mode='gauss_newton'")

class Influence:
    """Influence functions: a curvature, an inverse, and the gradients they connect. Subclasses name the inverse.

    Sign and unit: I(z_test, z_train) = ∇L(z_test)ᵀ H⁻¹ ∇L(z_train). Positive means helpful: to first order,
    taking the training point away raises the test loss by I/n (Koh & Liang 2017, with their sign turned).
    """
    def __init__(
        self,
        model,  # a trained `nn.Module`; it is copied at `.fit` and never changed
        loss,  # loss(model(x), y), a mean over the batch
        hessian_regularization=0.0,  # λ, or a mapping of block name → λ
        *,
        second_order_mode: str = "hessian",  # "hessian", "gauss_newton" or "empirical_fisher"
        block_structure="full",  # "full", "layer", "parameter", or a mapping of block name → parameter names
        regularization=None,  # another name for `hessian_regularization`, as pyDVL calls it
    ):
        if second_order_mode not in CURVATURES: raise ValueError(f"second_order_mode must be one of {list(CURVATURES)}, got {second_order_mode!r}")
        self.model, self.loss, self.second_order_mode = model, loss, second_order_mode
        self.hessian_regularization, self.block_structure, self.f = regularization if regularization is not None else hessian_regularization, block_structure, None

    def inverse(self, curvature):  # what a subclass supplies: a function from right-hand sides [p, k] to solutions [p, k]
        raise NotImplementedError("use a subclass such as DirectInfluence")

    def fit(
        self,
        train_loader,  # loader of (x, y) batches: the data that the model was trained on
    ):  # self
        "Take a copy of the parameters as they are now, and prepare the inverse of each block of the curvature."
        f = LossOfParameters(self.model, self.loss)
        blocks = parameter_blocks(f, self.block_structure)
        damping = block_regularizations(self.hessian_regularization, blocks)
        whole = Curvature(f, train_loader, self.second_order_mode)
        self.inverses = {block: self.inverse(whole.block(indices, damping[block])) for block, indices in blocks.items()}
        self.f, self.blocks = f, blocks
        return self

    def to(
        self,
        device,  # where to compute from now on
    ):  # self
        "Move the copied parameters and the inverse. The user's model stays where it is."
        self._fitted().to(device)
        self.blocks = {block: i if i is None else i.to(device) for block, i in self.blocks.items()}
        for inverse in self.inverses.values(): inverse.to(device)
        return self

    def influence_factors(
        self,
        x,  # inputs, [N, …]
        y,  # targets, [N, …]
    ) -> torch.Tensor:  # H⁻¹∇L(zᵢ) in row i, [N, p]
        "What each point does to the parameters: adding it with weight ε moves θ̂ by −ε times its factor."
        x, y = check_samples(self._fitted(), x, y)
        return torch.cat([self._solve(G) for _, G in gradient_chunks(self.f, x, y)])

    def influences_from_factors(
        self,
        factors,  # what `influence_factors` returned for the test points, [N_test, p]
        x,  # training inputs, [N_train, …]
        y,  # training targets, [N_train, …]
        mode: str = "up",  # "up" or "perturbation"
    ) -> torch.Tensor:  # [N_test, N_train], with *x.shape[1:] behind it in mode "perturbation"
        "Connect factors with training points, a bounded number of them at a time. Raises `ValueError` for an unknown mode or a wrong shape."
        return self._connect(factors, x, y, mode, [None])[0]

    def influences(
        self,
        x_test,  # test inputs, [N_test, …]
        y_test,  # test targets, [N_test, …]
        x=None,  # training inputs, [N_train, …]; the test points themselves by default
        y=None,  # training targets, [N_train, …]
        mode: str = "up",  # "up" or "perturbation"
    ) -> torch.Tensor:  # [N_test, N_train], with *x.shape[1:] behind it in mode "perturbation"
        "I(z_test, z_train) for every pair: positive where the training point helps on the test point."
        x, y = self._check_arguments(x_test, y_test, x, y, mode)
        return self.influences_from_factors(self.influence_factors(x_test, y_test), x, y, mode)

    def influences_by_block(
        self,
        x_test,  # test inputs, [N_test, …]
        y_test,  # test targets, [N_test, …]
        x=None,  # training inputs, [N_train, …]; the test points themselves by default
        y=None,  # training targets, [N_train, …]
        mode: str = "up",  # "up" or "perturbation"
    ) -> dict:  # block name → influences; their sum is what `influences` returns
        "The share of each block of parameters in the influences."
        x, y = self._check_arguments(x_test, y_test, x, y, mode)
        shares = self._connect(self.influence_factors(x_test, y_test), x, y, mode, self.blocks.values())
        return dict(zip(self.blocks, shares))

    def self_influences(
        self,
        x,  # inputs, [N, …]
        y,  # targets, [N, …]
    ) -> torch.Tensor:  # I(zᵢ, zᵢ), [N]
        "The influence of each point on its own loss, without forming the N × N matrix."
        x, y = check_samples(self._fitted(), x, y)
        return torch.cat([(G * self._solve(G)).sum(1) for _, G in gradient_chunks(self.f, x, y)])

    def _fitted(self):
        if self.f is None: raise NotFittedError(f"{type(self).__name__} is not fitted: call .fit(train_loader) first")
        return self.f

    def _check_arguments(self, x_test, y_test, x, y, mode):
        "Everything that can be wrong, before any work"
        self._fitted()
        if mode not in ("up", "perturbation"): raise ValueError(f"mode must be 'up' or 'perturbation', got {mode!r}")
        x_test, y_test = check_samples(self.f, x_test, y_test, ("x_test", "y_test"))
        return (x_test, y_test) if x is None and y is None else check_samples(self.f, x, y)

    def _solve(self, G):
        "H⁻¹ for each row of G, block by block"
        if None in self.blocks.values(): return self.inverses["full"](G.T).T
        factors = torch.empty_like(G)
        for block, indices in self.blocks.items(): factors[:, indices] = self.inverses[block](G[:, indices].T).T
        return factors

    def _connect(self, factors, x, y, mode, index_sets):
        "The inner products of factors and gradients, over all parameters (None) or over some"
        x, y = self._check_arguments(x, y, None, None, mode)
        factors = torch.as_tensor(factors, dtype=self.f.theta.dtype, device=self.f.theta.device)
        if factors.ndim != 2 or factors.shape[1] != len(self.f.theta): raise ValueError(f"factors must have shape [N_test, {len(self.f.theta)}], got {tuple(factors.shape)}")
        all_chunks = gradient_chunks(self.f, x, y) if mode == "up" else mixed_chunks(self.f, x, y)
        parts = [[_inner(factors, G, i) for i in index_sets] for _, G in all_chunks]
        return [pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=1) for pieces in zip(*parts)]

def _inner(factors, G, indices):
    "factors [T, p] with gradients [n, p, …], over some of the p"
    if indices is not None: factors, G = factors[:, indices], G[:, indices]
    return factors @ G.T if G.ndim == 2 else torch.tensordot(factors, G, dims=([1], [1]))

def block_regularizations(
    hessian_regularization,  # λ for all blocks, or a mapping of block name → λ
    blocks,  # the block names
) -> dict:  # block name → λ
    "Spread λ over the blocks. Raises `ValueError` for a block without a value, an unknown name, or a negative λ."
    if not hasattr(hessian_regularization, "items"): hessian_regularization = dict.fromkeys(blocks, hessian_regularization)
    if set(hessian_regularization) != set(blocks): raise ValueError(f"hessian_regularization must have one value for each block of {list(blocks)}, got {list(hessian_regularization)}")
    for block, value in hessian_regularization.items():
        if not value >= 0: raise ValueError(f"hessian_regularization must be zero or positive, got {value} for block {block!r}")
    return dict(hessian_regularization)

class DirectInfluence(Influence):
    "Influence functions with the exact inverse: forms the matrix [p, p], so it is for up to some thousands of parameters."
    def inverse(self, curvature): return DirectInverse(curvature)

def plot_influences(
    x,  # points in the plane, [n, 2]
    influences,  # one signed value a point, [n]
    corrupted_indices=None,  # points to circle in red
    *,
    line=None,  # points of a line to draw, [m, 2]
    xlabel: str | None = None,  # label of the horizontal axis
    ylabel: str | None = None,  # label of the vertical axis
    suptitle: str | None = None,  # title of the figure
    legend_title: str | None = None,  # label of the colour bar
    colorbar_limits: tuple | None = None,  # (low, high); symmetric about zero by default
    ax=None,  # axes to draw on
):  # the axes
    "Scatter points coloured by influence: blue helps, red harms, white is zero."
    x, influences = np.asarray(x), np.asarray(influences).ravel()
    if x.ndim != 2 or x.shape != (len(influences), 2): raise ValueError(f"x must have shape [{len(influences)}, 2], one row for each influence, got {x.shape}")
    if ax is None: _, ax = plt.subplots(figsize=(6, 4.5), layout="constrained")
    largest = np.abs(influences).max() or 1.0
    low, high = colorbar_limits or (-largest, largest)
    order = np.argsort(np.abs(influences))
    points = ax.scatter(*x[order].T, c=influences[order], cmap="RdBu", norm=TwoSlopeNorm(0, min(low, -1e-300), max(high, 1e-300)), edgecolors="0.6", linewidths=0.3)
    limits = ax.get_xlim(), ax.get_ylim()
    if line is not None: ax.plot(*np.asarray(line).T, color="black", linewidth=1)
    if corrupted_indices is not None:
        ax.scatter(*x[np.asarray(corrupted_indices, dtype=int)].T, facecolors="none", edgecolors="red", s=80, label="flipped label")
        ax.legend()
    ax.set(xlabel=xlabel, ylabel=ylabel, xlim=limits[0], ylim=limits[1])
    if suptitle: ax.figure.suptitle(suptitle)
    ax.figure.colorbar(points, ax=ax, label=f"{legend_title or 'influence'}\nharms  ←  0  →  helps")
    return ax
