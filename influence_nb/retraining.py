import warnings
import torch
from torch.func import grad, hessian, jacrev, vmap
from influence_nb.training import ConvergenceWarning, LossOfParameters, check_samples, newton_minimize, regularized_objective
from influence_nb.gradients import chunks, sample_gradients

def losses_at(
    f: LossOfParameters,  # the loss as a function of the parameters
    thetas: torch.Tensor,  # parameter vectors, one a row, [B, p]
    x: torch.Tensor,  # inputs, [N, …]
    y: torch.Tensor,  # targets, [N, …]
) -> torch.Tensor:  # L(zᵢ, θ_b), [N, B]
    "The loss of every point under every parameter vector."
    each_point = vmap(f.of_sample, in_dims=(None, 0, 0))
    rows = [vmap(each_point, in_dims=(0, None, None))(thetas[part], x, y) for part in chunks(len(thetas), 8 * len(x))]
    return torch.cat(rows).T

def _start(model, loss, x, y, indices, hessian_regularization):
    "The loss as a function, the data, the indices, and the optimum nearest to the model's parameters"
    f = LossOfParameters(model, loss)
    x, y = check_samples(f, x, y)
    indices = torch.arange(len(x)) if indices is None else torch.as_tensor(indices, dtype=torch.long).reshape(-1)
    if len(indices) and not 0 <= indices.min() <= indices.max() < len(x): raise ValueError(f"indices must lie in 0 … {len(x) - 1}")
    R = regularized_objective(f, x, y, hessian_regularization)
    before = grad(R)(f.theta).norm().item()
    if before > 1e-8:
        f.theta, optimum = newton_minimize(R, f.theta)
        warnings.warn(f"model is not at an optimum (gradient norm {before:.1e}): measuring from the one that Newton's method finds next to it, "
                      f"with gradient norm {optimum.gradient_norm:.1e}; call fit_to_optimum first", ConvergenceWarning, stacklevel=3)
    return f, x, y, indices.to(f.theta.device), R

def newton_step_parameters(
    model,  # trained to an optimum; not changed
    loss,  # loss(model(x), y), a mean over the batch
    x,  # training inputs, [n, …]
    y,  # training targets, [n, …]
    indices=None,  # points to leave out one at a time; all by default
    hessian_regularization: float = 0.0,  # λ
) -> torch.Tensor:  # θ̂ + (H − Hᵢ/n)⁻¹ ∇L(zᵢ)/n in row b for i = indices[b], [B, p]
    """One Newton step from θ̂ towards the optimum without point i: the influence step, corrected for the curvature
    that the point takes with it (its leverage). Exact for quadratic losses (Cook 1977, Pregibon 1981). O(p³) a point."""
    f, x, y, indices, R = _start(model, loss, x, y, indices, hessian_regularization)
    return f.theta + _newton_steps(f, x, y, indices, R)

def _newton_steps(f, x, y, indices, R):
    H, n = jacrev(grad(R), chunk_size=256)(f.theta), len(x)
    own_hessians = vmap(hessian(f.of_sample), in_dims=(None, 0, 0))
    steps = []
    for part in chunks(len(indices), 4 * H.numel()):
        i = indices[part]
        g = sample_gradients(f, f.theta, x[i], y[i])
        steps.append(torch.linalg.solve(H - own_hessians(f.theta, x[i], y[i]) / n, g / n))
    return torch.cat(steps)

def leave_one_out_loss(
    model,  # trained to an optimum; not changed
    loss,  # loss(model(x), y), a mean over the batch
    x,  # training inputs, [n, …]
    y,  # training targets, [n, …]
    hessian_regularization: float = 0.0,  # λ
) -> torch.Tensor:  # L(zᵢ, θ̃₋ᵢ), [n]
    """Each training point's own loss as if it had not been trained on, from one fit: the loss after the Newton step.

    Exact in linear regression; approximate leave-one-out elsewhere (Rad & Maleki 2020).
    """
    f, x, y, indices, R = _start(model, loss, x, y, None, hessian_regularization)
    thetas = f.theta + _newton_steps(f, x, y, indices, R)
    return vmap(f.of_sample)(thetas, x, y)

def leave_one_out_parameters(
    model,  # trained to an optimum; not changed
    loss,  # loss(model(x), y), a mean over the batch
    x,  # training inputs, [n, …]
    y,  # training targets, [n, …]
    indices=None,  # points to leave out one at a time; all by default
    hessian_regularization: float = 0.0,  # λ
) -> torch.Tensor:  # θ̂₋ᵢ in row b for i = indices[b], [B, p]
    """Retrain without each point, warm-started: the minimum of R(θ) − L(zᵢ, θ)/n next to θ̂.

    Where the fast iteration does not settle, Newton's method with a fresh Hessian takes over. Warns
    `ConvergenceWarning` where that fails too.
    """
    f, x, y, indices, R = _start(model, loss, x, y, indices, hessian_regularization)
    thetas = f.theta + _newton_steps(f, x, y, indices, R)
    return _retrain(f, x, y, indices, R, thetas)

def _retrain(f, x, y, indices, R, thetas, tol=None, max_iter=30):
    "Newton's method with the Hessian of θ̂, for many points at once; stragglers get a Hessian of their own"
    tol, n, H = tol or 5e3 * torch.finfo(thetas.dtype).eps, len(x), jacrev(grad(R), chunk_size=256)(f.theta)
    thetas, unsettled = thetas.clone(), []
    without = lambda theta, xi, yi: R(theta) - f.of_sample(theta, xi, yi) / n
    for part in chunks(len(indices), 8 * max(H.numel(), n)):
        i = indices[part]
        factor = torch.linalg.lu_factor(H - vmap(hessian(f.of_sample), in_dims=(None, 0, 0))(f.theta, x[i], y[i]) / n)
        for _ in range(max_iter):
            g = vmap(grad(without))(thetas[part], x[i], y[i])
            if g.norm(dim=1).max() <= tol: break
            thetas[part] -= torch.linalg.lu_solve(*factor, g[:, :, None])[:, :, 0]
        unsettled += [part.start + b for b in (~(g.norm(dim=1) <= tol)).nonzero()[:, 0].tolist()]
    for b in unsettled:
        i = indices[b]
        thetas[b], optimum = newton_minimize(lambda t: without(t, x[i], y[i]), f.theta, 100 * tol)
        if not optimum.converged:
            warnings.warn(f"retraining without point {i} stopped at gradient norm {optimum.gradient_norm:.1e}", ConvergenceWarning, stacklevel=3)
    return thetas

def leave_one_out(
    model,  # trained to an optimum; not changed
    loss,  # loss(model(x), y), a mean over the batch
    x,  # training inputs, [n, …]
    y,  # training targets, [n, …]
    x_test,  # test inputs, [N_test, …]
    y_test,  # test targets, [N_test, …]
    indices=None,  # training points to leave out one at a time; all by default
    hessian_regularization: float = 0.0,  # λ
) -> torch.Tensor:  # L(z_test, θ̂₋ᵢ) − L(z_test, θ̂), [N_test, len(indices)]
    "The ground truth: how each test loss really changes when a training point is taken away and the model retrained."
    f, x, y, indices, R = _start(model, loss, x, y, indices, hessian_regularization)
    x_test, y_test = check_samples(f, x_test, y_test, ("x_test", "y_test"))
    thetas = _retrain(f, x, y, indices, R, f.theta + _newton_steps(f, x, y, indices, R))
    return losses_at(f, thetas, x_test, y_test) - losses_at(f, f.theta[None], x_test, y_test)
