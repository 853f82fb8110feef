"""A bound, not a rival: a few lines of torch that know the model.

Logistic regression: the gradient of one point is (p − y)(x, 1), the Hessian is a
weighted Gram matrix. Tanh networks: `structured.py`, where gradients stay pairs and a
product with the Hessian takes all right-hand sides at once.
"""
import torch

import structured

DISTRIBUTION = "torch"
METHODS = {"W1": {"direct": "structured, direct"}, "W1cg": {"cg": "structured, CG"},
           "W2": {"direct": "structured, direct"},
           "W3": {"dense": "Hessian as weighted Gram matrices"},
           "W4": {"cg": "structured, CG", "pcg": "structured, CG, Nyström "
                  "preconditioner of rank 100 of Gauss–Newton"},
           "W5": {"ekfac": "EKFAC, scores as Hadamard products"},
           "W6": {"lanczos": "structured, Lanczos"},
           "W6n": {"nystroem": "structured, Nyström"},
           "W7": {"neumann": "dense Hessian, Neumann series"},
           "W7h": {"harmonic": "Gram matrices"},
           "W12": {"push-through": "Gram matrices, Woodbury"},}


def fit(problem, method, loader):
    if problem.name in ("W1", "W1cg", "W2"):
        return fit_logistic(problem, method, loader)
    parts = list(loader)
    x, y = (torch.cat(part) for part in zip(*parts)) if len(parts) > 1 else parts[0]
    net = structured.Network(problem.model)
    damping, settings, p = (problem.damping, problem.settings,
                            sum(W.numel() for W in net.weights))
    product = lambda V: net.hessian_product(x, y, V)
    damped = lambda V: product(V) + damping * V
    if method == "dense":
        H = net.dense_hessian(x, y)
        H.diagonal().add_(damping)
        factor = torch.linalg.cholesky(H)
        solve = lambda B: torch.cholesky_solve(B, factor)
    elif method == "cg":
        solve = lambda B: structured.conjugate_gradient(damped, B, settings["rtol"])
    elif method == "pcg":
        gauss_newton = lambda V: net.hessian_product(x, y, V, gauss_newton=True)
        near = structured.low_rank_inverse(*structured.nystroem(gauss_newton, p,
                                                                min(100, p), x.dtype),
                                           damping)
        solve = lambda B: structured.conjugate_gradient(damped, B, settings["rtol"],
                                                        near)
    elif method == "lanczos":
        solve = structured.low_rank_inverse(*structured.largest_eigenpairs(product, p,
                                                                           settings[
                "rank"], 2 * settings["rank"], x.dtype), damping)
    elif method == "nystroem":
        solve = structured.low_rank_inverse(*structured.nystroem(product, p,
                                                                 settings["rank"],
                                                                 x.dtype), damping)
    elif method == "push-through":
        return net, structured.push_through
    elif method == "neumann":
        H = net.dense_hessian(x, y)
        solve = lambda B: structured.neumann(H, B, damping, settings["steps"],
                                             settings["scale"])
    else:
        return structured.Ekfac(net, x, damping) if method == "ekfac" else net, None
    return net, solve


def influences(problem, fitted, loader, test_loader):
    if problem.name in ("W1", "W1cg", "W2"):
        return influences_logistic(problem, fitted)
    model, solve = fitted
    points = problem.x_test, problem.y_test, problem.x, problem.y
    if isinstance(model, structured.Ekfac):
        return model.scores(*points)
    if solve is None:
        solve = structured.harmonic
    if solve in (structured.harmonic, structured.push_through):
        return solve(model.pairs(*points[2:]), model.pairs(*points[:2]),
                     problem.damping)
    factors = solve(model.flat_gradients(*points[:2]).T.contiguous())
    return structured.connect(model.split(factors), model.pairs(*points[2:]))


def _gradients(model, x, y):
    bias = torch.ones(len(x), 1, dtype=x.dtype)
    probability = model(x)
    return torch.cat([x, bias], 1), probability, (probability - y)


@torch.no_grad()
def fit_logistic(problem, method, loader):
    n, gram, kept = 0, 0.0, []
    for x, y in loader:
        xb, probability, _ = _gradients(problem.model, x, y)
        weight = probability * (1 - probability)
        n += len(x)
        if method == "direct":
            gram = gram + (xb * weight).T @ xb
        else:
            kept.append((xb, weight))
    if method == "direct":
        hessian = gram / n
        return lambda b: torch.linalg.solve(hessian, b)
    product = lambda v: sum(xb.T @ (weight * (xb @ v)) for xb, weight in kept) / n
    return lambda b: structured.conjugate_gradient(product, b, 1e-9)


@torch.no_grad()
def influences_logistic(problem, solve):
    xb, _, residual = _gradients(problem.model, problem.x_test, problem.y_test)
    factors = solve((xb * residual).T)
    xb, probability, residual = _gradients(problem.model, problem.x, problem.y)
    if problem.mode == "up":
        return factors.T @ (xb * residual).T
    w, slope = problem.model.linear.weight, probability * (1 - probability)
    along = factors.T @ (xb * slope).T  # [m, n]
    return torch.stack([along * w[0, j] + factors[j][:, None] * residual[:, 0]
                        for j in range(w.shape[1])], 2)


def to_reference(problem, scores):
    return scores
