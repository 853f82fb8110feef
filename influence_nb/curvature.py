import copy
import torch
from torch.func import grad, jvp, vjp, vmap
from influence_nb.training import LossOfParameters, check_samples
from influence_nb.gradients import CHUNK_ELEMENTS, chunks, sample_gradients

def hessian_product(
    f: LossOfParameters,  # the loss as a function of the parameters
    theta: torch.Tensor,  # [p]
    x: torch.Tensor,  # inputs of a batch, [b, …]
    y: torch.Tensor,  # targets, [b, …]
    V: torch.Tensor,  # [p, k]
) -> torch.Tensor:  # (Σ ∇²L(zᵢ, θ)) V, [p, k]
    "Pearlmutter (1994): H v is the derivative of the gradient along v, and of vᵀ∇L, since H is symmetric."
    gradient = grad(lambda t: f(t, x, y) * len(x))
    pull_back = vjp(gradient, theta)[1]
    return vmap(lambda v: pull_back(v)[0], in_dims=1, out_dims=1)(V)

def gauss_newton_product(
    f: LossOfParameters,  # the loss as a function of the parameters
    theta: torch.Tensor,  # [p]
    x: torch.Tensor,  # inputs of a batch, [b, …]
    y: torch.Tensor,  # targets, [b, …]
    V: torch.Tensor,  # [p, k]
) -> torch.Tensor:  # (Σ JᵢᵀΛᵢJᵢ) V, [p, k]
    "Schraudolph (2002): push v through the model, through the loss's Hessian in output space, and back."
    model = lambda t: f.outputs(t, x)
    outputs, pull_back = vjp(model, theta)
    loss_gradient = grad(lambda o: f.loss(o, y) * len(x))
    def product(v):
        pushed = jvp(model, (theta,), (v,))[1]
        return pull_back(jvp(loss_gradient, (outputs,), (pushed,))[1])[0]
    return vmap(product, in_dims=1, out_dims=1)(V)

def empirical_fisher_product(
    f: LossOfParameters,  # the loss as a function of the parameters
    theta: torch.Tensor,  # [p]
    x: torch.Tensor,  # inputs of a batch, [b, …]
    y: torch.Tensor,  # targets, [b, …]
    V: torch.Tensor,  # [p, k]
) -> torch.Tensor:  # (Σ gᵢgᵢᵀ) V, [p, k]
    "The sum of outer products of per-sample gradients, times V."
    G = sample_gradients(f, theta, x, y)
    return G.T @ (G @ V)

CURVATURES = {"hessian": hessian_product, "gauss_newton": gauss_newton_product, "empirical_fisher": empirical_fisher_product}

def _pairs(data, device):
    "The (x, y) batches of a loader, as tensors on the device"
    for batch in data:
        if not (isinstance(batch, (tuple, list)) and len(batch) == 2): raise ValueError("the loader must give pairs (x, y)")
        yield tuple(torch.as_tensor(part, device=device) for part in batch)

def read_batches(
    f: LossOfParameters,  # the loss as a function of the parameters
    data,  # a loader of (x, y) batches, or a list of them
    max_bytes: int = 2**28,  # data larger than this is streamed from the loader for every product
) -> list:  # one batch with all the data; or the loader itself, if that is too large
    "Check the data once, and keep it if it is small. Raises `ValueError` for an empty loader or a bad batch."
    kept, size = [], 0
    for x, y in _pairs(data, f.theta.device):
        kept.append((x, y))
        size += x.nbytes + y.nbytes
        if size > max_bytes: break
    if not kept: raise ValueError("the loader is empty: it gave no batch")
    if size <= max_bytes: return [check_samples(f, *(torch.cat(parts) for parts in zip(*kept)))]
    for x, y in _pairs(data, f.theta.device): check_samples(f, x, y)
    return data

def _activation_elements(f, x, y):
    "Numbers that autograd keeps for one sample, beside the parameters"
    sizes = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
        f(f.theta.detach().requires_grad_(), x[:1], y[:1])
    return max(1, sum(sizes) - len(f.theta))

class Curvature:
    """The mean curvature of the loss over the data, plus λI, as a symmetric matrix [p, p] that is never formed.

    Use `curvature @ V` with a vector [p] or a block [p, k], `.to_dense()`, and `.block(indices)` for the
    rows and columns of some parameters. Raises `ValueError` for an unknown mode, a negative λ or bad data.
    """
    def __init__(
        self,
        f: LossOfParameters,  # the loss as a function of the parameters
        data,  # a loader of (x, y) batches, or a list of them
        second_order_mode: str = "hessian",  # "hessian", "gauss_newton" or "empirical_fisher"
        hessian_regularization: float = 0.0,  # λ, added to the diagonal
    ):
        if second_order_mode not in CURVATURES: raise ValueError(f"second_order_mode must be one of {list(CURVATURES)}, got {second_order_mode!r}")
        if not hessian_regularization >= 0: raise ValueError(f"hessian_regularization must be zero or positive, got {hessian_regularization}")
        self.f, self.data, self.indices = f, read_batches(f, data), None
        self.product, self.hessian_regularization = CURVATURES[second_order_mode], hessian_regularization
        self.num_samples = sum(len(x) for x, _ in self.data)

    @property
    def shape(self):  # (p, p)
        p = len(self.f.theta) if self.indices is None else len(self.indices)
        return (p, p)

    def block(self, indices, hessian_regularization):  # the same curvature, restricted to some parameters
        part = copy.copy(self)
        part.indices, part.hessian_regularization = indices, hessian_regularization
        return part

    def to(self, device):  # move the data that was kept, and the parameters
        self.f.to(device)
        if isinstance(self.data, list): self.data = [(x.to(device), y.to(device)) for x, y in self.data]
        if self.indices is not None: self.indices = self.indices.to(device)

    def __matmul__(self, V):  # [p] or [p, k] → the same shape
        if V.shape[0] != self.shape[0] or V.ndim > 2: raise ValueError(f"V must have shape [{self.shape[0]}] or [{self.shape[0]}, k], got {tuple(V.shape)}")
        columns = V[:, None] if V.ndim == 1 else V
        full = columns if self.indices is None else columns.new_zeros(len(self.f.theta), columns.shape[1]).index_copy(0, self.indices, columns)
        total = self._sum_products(full) / self.num_samples
        if self.indices is not None: total = total[self.indices]
        return (total + self.hessian_regularization * columns).reshape(V.shape)

    def _sum_products(self, V):
        "Sum over all samples, a bounded number of samples and columns at a time"
        total = torch.zeros_like(V)
        for x, y in _pairs(self.data, self.f.theta.device):
            elements = _activation_elements(self.f, x, y)
            for columns in chunks(V.shape[1], elements * min(len(x), 256) + len(V)):
                for rows in chunks(len(x), elements * (columns.stop - columns.start)):
                    total[:, columns] += self.product(self.f, self.f.theta, x[rows], y[rows], V[:, columns])
        return total

    def to_dense(self) -> torch.Tensor:  # [p, p], exactly symmetric
        dense = self @ torch.eye(self.shape[0], dtype=self.f.theta.dtype, device=self.f.theta.device)
        return (dense + dense.T) / 2
