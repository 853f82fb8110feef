import torch
from torch.func import grad, jacfwd, vmap
from influence_nb.training import LossOfParameters, check_samples

CHUNK_ELEMENTS = 2**23  # numbers in a chunk: 64 MiB of float64

def chunks(
    n: int,  # number of rows
    row_elements: int,  # numbers that a row needs
    chunk_size: int | None = None,  # rows a chunk, overrides the bound
):  # slices that cover 0 … n−1
    "Cut `n` rows into slices that need a bounded amount of memory."
    if chunk_size is not None and chunk_size < 1: raise ValueError(f"chunk_size must be at least 1, got {chunk_size}")
    size = chunk_size or max(1, CHUNK_ELEMENTS // max(1, row_elements))
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]

def finite_gradients(G, start=0):
    if not torch.isfinite(G.sum()):
        bad = (~torch.isfinite(G.flatten(1))).any(1).nonzero()[0].item() + start
        raise ValueError(f"the gradient of sample {bad} is NaN or infinite: remove it, or look for saturated outputs")
    return G

def sample_gradients(f, theta, x, y):  # [n, p], all at once
    return vmap(grad(f.of_sample), in_dims=(None, 0, 0))(theta, x, y)

def gradient_chunks(f, x, y, chunk_size=None):
    "Yield (slice, per-sample gradients of that slice)"
    for rows in chunks(len(x), len(f.theta), chunk_size):
        yield rows, finite_gradients(sample_gradients(f, f.theta, x[rows], y[rows]), rows.start)

def per_sample_gradients(
    f: LossOfParameters,  # the loss as a function of the parameters
    x,  # inputs, [n, …]
    y,  # targets, [n, …]
    chunk_size: int | None = None,  # samples at a time; bounded memory by default
) -> torch.Tensor:  # ∇_θ L(zᵢ, θ̂) in row i, [n, p]
    "The gradient of each sample's loss with respect to the parameters. Raises `ValueError` for bad or non-finite input."
    x, y = check_samples(f, x, y)
    return torch.cat([G for _, G in gradient_chunks(f, x, y, chunk_size)])

def mixed_chunks(f, x, y, chunk_size=None):
    "Yield (slice, mixed gradients of that slice [·, p, …])"
    mixed = vmap(jacfwd(grad(f.of_sample), argnums=1), in_dims=(None, 0, 0))
    for rows in chunks(len(x), len(f.theta) * x[0].numel(), chunk_size):
        yield rows, finite_gradients(mixed(f.theta, x[rows], y[rows]), rows.start)

def mixed_gradients(
    f: LossOfParameters,  # the loss as a function of the parameters
    x,  # floating-point inputs, [n, …]
    y,  # targets, [n, …]
    chunk_size: int | None = None,  # samples at a time; bounded memory by default
) -> torch.Tensor:  # ∇ₓ∇_θ L(zᵢ, θ̂), [n, p, *x.shape[1:]]
    "How each sample's gradient moves when its input moves. Raises `ValueError` for bad input or inputs that are not real numbers."
    x, y = check_samples(f, x, y)
    if not x.is_floating_point(): raise ValueError(f"x must be floating point to be differentiated, got {x.dtype}")
    return torch.cat([M for _, M in mixed_chunks(f, x, y, chunk_size)])
