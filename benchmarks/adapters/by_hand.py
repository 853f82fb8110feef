"""A bound, not a rival: a few lines of torch that know the model is a logistic regression.

The gradient of one point is (p - y)(x, 1), the Hessian is a weighted Gram matrix, the scores are one matrix product.
"""
import torch

DISTRIBUTION = "torch"
METHODS = {"W1": {"direct": "structured, direct"}, "W1cg": {"cg": "structured, CG"}}


def _gradients(model, x, y):
    bias = torch.ones(len(x), 1, dtype=x.dtype)
    probability = model(x)
    return torch.cat([x, bias], 1), probability, (probability - y)


def _cg(hessian, b, rtol=1e-12):
    "Conjugate gradients on all columns of b at once; a column that is done stays put."
    z, r = torch.zeros_like(b), b.clone()
    p, rr = r.clone(), (r * r).sum(0)
    stop = rtol ** 2 * rr
    for _ in range(10 * len(b)):
        if bool((rr <= stop).all()):
            break
        hp = hessian(p)
        alpha = torch.where(rr > stop, rr / (p * hp).sum(0), 0.0)
        z += alpha * p
        r -= alpha * hp
        new = (r * r).sum(0)
        p = r + torch.where(rr > stop, new / rr, 0.0) * p
        rr = new
    return z


@torch.no_grad()
def fit(problem, method, loader):
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
    return lambda b: _cg(lambda v: sum(xb.T @ (weight * (xb @ v)) for xb, weight in kept) / n, b)


@torch.no_grad()
def influences(problem, solve, loader, test_loader):
    xb, _, residual = _gradients(problem.model, problem.x_test, problem.y_test)
    factors = solve((xb * residual).T)
    xb, _, residual = _gradients(problem.model, problem.x, problem.y)
    return factors.T @ (xb * residual).T


def to_reference(problem, scores):
    return scores
