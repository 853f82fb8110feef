import copy, warnings
from typing import NamedTuple
import numpy as np
import torch
from torch import nn
from torch.func import functional_call, grad, jacrev, vmap
import matplotlib.pyplot as plt

class TorchLogisticRegression(nn.Module):
    "P(y = 1 | x) = 1 / (1 + exp(−wᵀx − b)), in float64."
    def __init__(
        self,
        n_input: int,  # number of features
    ):
        super().__init__()
        self.linear = nn.Linear(n_input, 1, dtype=torch.float64)

    def forward(
        self,
        x,  # [n, n_input] float64, tensor or array
    ) -> torch.Tensor:  # probabilities, [n, 1]
        return torch.sigmoid(self.linear(torch.as_tensor(x)))

class TorchMLP(nn.Sequential):
    "Linear layers with an activation between them; the outputs are logits."
    def __init__(
        self,
        layer_sizes,  # widths from input to output, at least two
        activation=nn.Tanh,  # module class put between the linear layers
        dtype=torch.float64,  # of the parameters
    ):
        if len(layer_sizes) < 2: raise ValueError(f"layer_sizes needs an input and an output width, got {list(layer_sizes)}")
        layers = []
        for fan_in, fan_out in zip(layer_sizes, layer_sizes[1:]):
            layers += [nn.Linear(fan_in, fan_out, dtype=dtype), activation()]
        super().__init__(*layers[:-1])

class Losses(NamedTuple):
    "Mean losses, one number an epoch."
    training: list  # mean over the training samples while they were trained on
    validation: list  # mean over the validation samples after the epoch

def _epoch_loss(model, data, loss, device, optimizer=None):
    "Mean loss over the samples of one pass; trains if there is an optimizer"
    total, count = 0.0, 0
    model.train(optimizer is not None)
    with torch.set_grad_enabled(optimizer is not None):
        for x, y in data:
            value = loss(model(x.to(device)), y.to(device))
            if not torch.isfinite(value): raise ValueError(f"loss became {value.item()}: lower the learning rate or look for NaN in the data")
            if optimizer is not None:
                optimizer.zero_grad()
                value.backward()
                optimizer.step()
            total, count = total + value.item() * len(x), count + len(x)
    if not count: raise ValueError("training_data or val_data is empty: the loader gave no batch")
    return total / count

def fit_torch_model(
    model: nn.Module,  # trained in place
    training_data,  # loader of (x, y) batches
    val_data,  # loader of (x, y) batches
    loss,  # loss(model(x), y), averaged over the batch
    optimizer: torch.optim.Optimizer,  # holds the model's parameters
    scheduler=None,  # learning-rate scheduler, stepped once an epoch
    num_epochs: int = 1,  # passes over the training data
    progress: bool = True,  # show a progress bar
    device=None,  # where to train; by default where the model is
) -> Losses:  # mean losses of each epoch
    "Plain minibatch training. The model keeps its training/evaluation flag. Raises `ValueError` if the loss is not finite."
    if device is not None: model.to(device)
    device, was_training = next(model.parameters()).device, model.training
    losses, epochs = Losses([], []), range(num_epochs)
    if progress:
        from tqdm.auto import tqdm
        epochs = tqdm(epochs, desc="epochs")
    for _ in epochs:
        losses.training.append(_epoch_loss(model, training_data, loss, device, optimizer))
        losses.validation.append(_epoch_loss(model, val_data, loss, device))
        if scheduler is not None: scheduler.step()
    model.train(was_training)
    return losses

def plot_losses(
    losses: Losses,  # what `fit_torch_model` returned
    ax=None,  # axes to draw on
):  # the axes
    "Training and validation loss against the epoch."
    if ax is None: _, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
    epochs = np.arange(1, len(losses.training) + 1)
    ax.plot(epochs, losses.training, label="training")
    ax.plot(epochs, losses.validation, "--", label="validation")
    ax.set(xlabel="epoch", ylabel="mean loss")
    ax.legend()
    return ax

def plot_confusion_matrix(
    y_true,  # true labels, [n] int
    y_pred,  # predicted labels, [n] int
    ax=None,  # axes to draw on
):  # the axes
    "How many points of each true class got each predicted class."
    y_true, y_pred = np.asarray(y_true).ravel().astype(int), np.asarray(y_pred).ravel().astype(int)
    if y_true.shape != y_pred.shape: raise ValueError(f"y_true and y_pred differ in length: {len(y_true)} and {len(y_pred)}")
    classes = np.union1d(y_true, y_pred)
    counts = np.array([[np.sum((y_true == i) & (y_pred == j)) for j in classes] for i in classes])
    if ax is None: _, ax = plt.subplots(figsize=(4, 3.5), layout="constrained")
    ax.imshow(counts, cmap="Blues")
    for (i, j), count in np.ndenumerate(counts):
        ax.text(j, i, count, ha="center", va="center", color="white" if count > counts.max() / 2 else "black")
    ticks = np.arange(len(classes))
    ax.set(xlabel="predicted class", ylabel="true class")
    ax.set_xticks(ticks, classes)
    ax.set_yticks(ticks, classes)
    return ax

_TRAINING_ONLY = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)

class LossOfParameters:
    """The loss as a pure function of one flat parameter vector: L(θ; x, y).

    Works on a private copy of the model in evaluation mode, taken now, so that the model itself is never touched.
    Only parameters with `requires_grad` are in θ; everything else is a constant.
    Raises `ValueError` if there are none, warns if dropout or batch-norm were in training mode.
    """
    def __init__(
        self,
        model: nn.Module,  # any model whose batch elements do not interact
        loss,  # loss(model(x), y), a scalar averaged over the batch
    ):
        self.names = [name for name, p in model.named_parameters() if p.requires_grad]
        if not self.names: raise ValueError("model has no trainable parameters: set requires_grad on those that were trained")
        if any(m.training and isinstance(m, _TRAINING_ONLY) for m in model.modules()):
            warnings.warn("model is in training mode: its dropout and batch-norm layers are computed in evaluation mode", stacklevel=2)
        self.model, self.loss = copy.deepcopy(model).eval().requires_grad_(False), loss
        parameters = [self.model.get_parameter(name) for name in self.names]
        self.shapes, self.sizes = [p.shape for p in parameters], [p.numel() for p in parameters]
        self.theta = torch.cat([p.flatten() for p in parameters])

    def to(self, device):  # move θ̂ and the private copy
        self.model, self.theta = self.model.to(device), self.theta.to(device)

    def unflatten(self, theta):  # [p] → {name: tensor}
        return {name: piece.view(shape) for name, piece, shape in zip(self.names, theta.split(self.sizes), self.shapes)}

    def outputs(self, theta, x):  # the model's outputs at θ
        return functional_call(self.model, self.unflatten(theta), (x,))

    def __call__(self, theta, x, y):  # mean loss of a batch at θ
        return self.loss(self.outputs(theta, x), y)

    def of_sample(self, theta, x, y):  # loss of one sample without its batch dimension
        return self(theta, x[None], y[None])

def check_samples(
    f: LossOfParameters,  # the loss as a function of the parameters
    x,  # inputs, [n, …], tensor or array
    y,  # targets, [n, …], tensor or array
    names: tuple = ("x", "y"),  # what the caller calls them
) -> tuple:  # x and y as tensors on the device of `f`
    """Look at the data once, at the door. Raises `ValueError` naming the argument and the fix.

    Catches: missing or empty arguments, different lengths, other devices, NaN and infinite entries,
    labels of a wrong type or out of range, losses that are not finite, not scalar or not means over the batch.
    """
    device, tensors = f.theta.device, []
    for value, name in zip((x, y), names):
        if value is None: raise ValueError(f"{name} is missing: give both {names[0]} and {names[1]}")
        if isinstance(value, torch.Tensor) and value.device != device:
            raise ValueError(f"{name} is on {value.device} but the model on {device}: use {name}.to('{device}')")
        tensors.append(torch.as_tensor(value, device=device).detach())
        if tensors[-1].ndim == 0 or len(tensors[-1]) == 0: raise ValueError(f"{name} is empty: it needs at least one sample")
        if not tensors[-1].isfinite().all(): raise ValueError(f"{name} holds NaN or infinite entries: remove those samples")
    if len(tensors[0]) != len(tensors[1]):
        raise ValueError(f"{names[0]} and {names[1]} differ in length: {len(tensors[0])} and {len(tensors[1])}")
    _check_labels(f, *tensors, names)
    _check_loss(f, *tensors, names)
    return tuple(tensors)

def _check_labels(f, x, y, names):
    "Class numbers against the number of outputs; probabilities within [0, 1]"
    output = f.outputs(f.theta, x[:1])
    if y.dtype == torch.long and y.ndim == 1 and output.ndim > 1 and output.shape[1] > 1 and not 0 <= y.min() <= y.max() < output.shape[1]:
        raise ValueError(f"{names[1]} holds labels from {y.min()} to {y.max()}, but the model has outputs for 0 … {output.shape[1] - 1}")
    if "binary_cross_entropy" in getattr(f.loss, "__name__", "") or isinstance(f.loss, (nn.BCELoss, nn.BCEWithLogitsLoss)):
        if y.min() < 0 or y.max() > 1: raise ValueError(f"{names[1]} holds values outside [0, 1], which binary cross entropy does not take")

def _check_loss(f, x, y, names):
    "A scalar, finite loss that is the mean of the losses of its samples"
    try: together = f(f.theta, x[:2], y[:2])
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise ValueError(f"loss(model({names[0]}), {names[1]}) failed: check the shapes and dtypes of {names[0]} "
                         f"({x.dtype}, {tuple(x.shape)}) and {names[1]} ({y.dtype}, {tuple(y.shape)}): {error}") from error
    if together.numel() != 1 or together.ndim: raise ValueError(f"loss must reduce to a scalar (reduction='mean'), got shape {tuple(together.shape)}")
    each = torch.stack([f(f.theta, x[i:i + 1], y[i:i + 1]) for i in range(min(2, len(x)))])
    if not each.isfinite().all(): raise ValueError(f"loss is not finite on {names[0]}, {names[1]}: look for saturated outputs or NaN parameters")
    if not torch.isclose(together, each.mean(), rtol=1e-3, atol=1e-5 * each.abs().max().item()):
        raise ValueError("loss of a batch is not the mean of the losses of its samples: use reduction='mean' without class weights, "
                         f"give {names[1]} the shape of the outputs, and no layer that mixes the samples of a batch")

class ConvergenceWarning(UserWarning):
    "An iteration ended before it reached its tolerance; the message says how far it got."

class Optimum(NamedTuple):
    "Where `fit_to_optimum` stopped."
    gradient_norm: float  # ‖∇R(θ)‖ there
    iterations: int  # Newton steps taken
    converged: bool  # gradient within the tolerance, and a next step that is small beside θ

def _newton_step(g, H):
    "−|H|⁻¹ g, which is −H⁻¹ g where H is positive definite and still goes downhill where it is not"
    factor, failed = torch.linalg.cholesky_ex(H)
    if not failed and factor.diagonal().min() > 1e-7 * factor.diagonal().max(): return -torch.cholesky_solve(g[:, None], factor)[:, 0]
    values, vectors = torch.linalg.eigh(H)
    return -vectors @ ((vectors.T @ g) / values.abs().clamp(min=1e-8 * values.abs().max()))

def newton_minimize(
    R,  # objective, a function of θ [p] that returns a scalar
    theta: torch.Tensor,  # starting point, [p]
    tol: float = 1e-10,  # stop when ‖∇R(θ)‖ is at most this
    max_iter: int = 50,  # largest number of steps
) -> tuple:  # (θ [p], `Optimum`)
    "Newton's method with a dense Hessian; a step is halved until the objective, or else the gradient, gets smaller."
    gradient, value = grad(R), R(theta)
    g, step = gradient(theta), torch.full_like(theta, torch.inf)
    for iteration in range(max_iter + 1):
        small_step = step.norm() <= 1e-3 * (1 + theta.norm())
        if (g.norm() <= tol and small_step) or iteration == max_iter: break
        step, length = _newton_step(g, jacrev(gradient, chunk_size=256)(theta)), 1.0
        while length > 1e-8:
            new = theta + length * step
            new_value, new_g = R(new), gradient(new)
            if new_value < value + 1e-4 * length * (g @ step) or new_g.norm() < 0.9 * g.norm() and new_value <= value + 1e-9 * abs(value): break
            length /= 2
        else: break
        theta, value, g = new, new_value, new_g
    return theta, Optimum(g.norm().item(), iteration, bool(g.norm() <= tol and small_step))

def fit_to_optimum(
    model: nn.Module,  # trained in place, from its present parameters
    loss,  # loss(model(x), y), a mean over the batch
    x,  # training inputs, [n, …]
    y,  # training targets, [n, …]
    hessian_regularization: float = 0.0,  # λ of the penalty (λ/2)‖θ‖²
    *,
    sample_weights=None,  # weight of each sample in the mean, [n]; all one by default
    tol: float = 1e-10,  # gradient norm to reach
    max_iter: int = 50,  # largest number of Newton steps
) -> Optimum:  # gradient norm, steps, and whether that counts as converged
    """Minimise R(θ) = (1/n) Σ wᵢ L(zᵢ, θ) + (λ/2)‖θ‖² until the gradient vanishes.

    Many parameters (over 500) are first brought near by L-BFGS. Warns `ConvergenceWarning` with the gradient norm
    reached where there is no minimum to be found, as on separable data without a penalty.
    """
    f = LossOfParameters(model, loss)
    x, y = check_samples(f, x, y)
    R = regularized_objective(f, x, y, hessian_regularization, sample_weights)
    start = _lbfgs(R, f.theta, tol) if len(f.theta) > 500 else f.theta
    theta, optimum = newton_minimize(R, start, tol, max_iter)
    with torch.no_grad():
        for name, value in f.unflatten(theta).items(): model.get_parameter(name).copy_(value)
    if not optimum.converged:
        warnings.warn(f"no optimum found: gradient norm {optimum.gradient_norm:.2e} after {optimum.iterations} Newton steps (tol {tol:.0e}); "
                      "raise max_iter, or give a hessian_regularization if the minimum is at infinity", ConvergenceWarning, stacklevel=2)
    return optimum

def regularized_objective(
    f: LossOfParameters,  # the loss as a function of the parameters
    x: torch.Tensor,  # inputs, [n, …]
    y: torch.Tensor,  # targets, [n, …]
    hessian_regularization: float = 0.0,  # λ
    sample_weights=None,  # [n], all one by default
):  # R, a function of θ [p]
    "R(θ) = (1/n) Σ wᵢ L(zᵢ, θ) + (λ/2)‖θ‖²."
    if not hessian_regularization >= 0: raise ValueError(f"hessian_regularization must be zero or positive, got {hessian_regularization}")
    penalty = lambda theta: hessian_regularization / 2 * theta @ theta
    if sample_weights is None: return lambda theta: f(theta, x, y) + penalty(theta)
    weights = torch.as_tensor(sample_weights, dtype=f.theta.dtype, device=f.theta.device)
    if weights.shape != (len(x),): raise ValueError(f"sample_weights must have shape [{len(x)}], got {tuple(weights.shape)}")
    losses = vmap(f.of_sample, in_dims=(None, 0, 0))
    return lambda theta: (weights * losses(theta, x, y)).mean() + penalty(theta)

def _lbfgs(R, theta, tol):
    "From afar, L-BFGS is cheaper than Newton"
    theta = theta.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([theta], max_iter=500, tolerance_grad=tol, tolerance_change=0, history_size=30, line_search_fn="strong_wolfe")
    def closure():
        optimizer.zero_grad()
        value = R(theta)
        value.backward()
        return value
    optimizer.step(closure)
    return theta.detach()
