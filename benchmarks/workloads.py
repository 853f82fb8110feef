"""The work that every library gets: the same seeded data, the same trained model, the same right answer.

Only NumPy and plain torch, so that it imports in every environment. Each workload is a `Problem`.
"""
import time
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


class LogisticRegression(torch.nn.Module):
    "P(y=1|x) of a logistic regression in float64: what each library is asked about."

    def __init__(self, n_input):
        super().__init__()
        self.linear = torch.nn.Linear(n_input, 1, dtype=torch.float64)

    def forward(self, x):
        return torch.sigmoid(self.linear(x))


class TimedLoader(DataLoader):
    "A `DataLoader` that adds up, in `seconds`, the time spent inside its own iteration."

    seconds = 0.0

    def __iter__(self):
        start = time.perf_counter()
        batches = super().__iter__()
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                self.seconds += time.perf_counter() - start
                return
            self.seconds += time.perf_counter() - start
            yield batch
            start = time.perf_counter()


@dataclass
class Problem:
    "One workload: a trained model and the points to score."

    name: str
    model: torch.nn.Module
    loss: callable
    x: torch.Tensor  # [n, d] float64, training inputs
    y: torch.Tensor  # [n, 1] float64, training labels
    x_test: torch.Tensor  # [m, d]
    y_test: torch.Tensor  # [m, 1]
    batch_size: int
    gradient_norm: float  # of the training objective, at the optimum found

    def loader(self, test=False):
        "A fresh loader over the training (or test) points, unshuffled."
        tensors = (self.x_test, self.y_test) if test else (self.x, self.y)
        return TimedLoader(TensorDataset(*tensors), batch_size=self.batch_size)


def blobs(n_samples, sigma, seed):
    "Two Gaussian blobs, covariance sigma² I, means (0,0) and (1,1), labels fair coin flips."
    rng = np.random.default_rng(seed)
    means = np.array([[0.0, 0.0], [1.0, 1.0]])
    y = rng.integers(0, 2, n_samples)
    return means[y] + sigma * rng.standard_normal((n_samples, 2)), y


def sigmoid(z):
    "Logistic function without overflow."
    return 0.5 * (1.0 + np.tanh(0.5 * z))


def with_bias(x):
    "Inputs with a column of ones: the bias is the last parameter, as in `torch.nn.Linear`."
    return np.hstack([x, np.ones((len(x), 1))])


def hessian_of(xb, probability):
    "Hessian of the mean binary cross entropy of a logistic regression."
    return (xb * (probability * (1.0 - probability))[:, None]).T @ xb / len(xb)


def newton(x, y, steps=100, tolerance=1e-14):
    "Minimise the mean binary cross entropy by damped Newton steps; returns parameters and gradient norm."
    xb, theta = with_bias(x), np.zeros(x.shape[1] + 1)

    def objective(t):
        z = xb @ t
        return np.mean(np.logaddexp(0.0, z) - y * z)

    for _ in range(steps):
        probability = sigmoid(xb @ theta)
        gradient = xb.T @ (probability - y) / len(xb)
        if np.linalg.norm(gradient) <= tolerance:
            break
        step, size = np.linalg.solve(hessian_of(xb, probability), gradient), 1.0
        while size > 1e-4 and objective(theta - size * step) > objective(theta) + 1e-15:
            size /= 2
        theta = theta - size * step
    norm = np.linalg.norm(xb.T @ (sigmoid(xb @ theta) - y) / len(xb))
    if not norm <= 1e-10:
        raise RuntimeError(f"Newton stopped at a gradient norm of {norm:.1e}")
    if np.all((xb @ theta > 0) == (y == 1)):
        raise RuntimeError("a line separates the training points, so there is no optimum: take another seed or sigma")
    return theta, float(norm)


# name: (training points, test points scored)
SIZES = {"W1": (7000, 2000), "W1cg": (7000, 50)}
TITLES = {
    "W1": "direct solve, 7,000 training × 2,000 test points, p = 3",
    "W1cg": "conjugate gradients, 7,000 training × 50 test points, p = 3",
}


def make(name, batch_size=None, quick=False, sigma=0.2, seed=1):
    "Build a workload. `quick` shrinks it tenfold, to try the plumbing, with wider blobs, so that no line parts them."
    n, m = SIZES[name]
    if quick:
        n, m, sigma = n // 10, max(m // 10, 10), 0.5
    x, y = blobs(10_000, sigma, seed)
    # The last tenth of the samples is the validation part that nothing here uses.
    train, test = slice(0, n), slice(7000, 7000 + m)
    theta, norm = newton(x[train], y[train])
    model = LogisticRegression(2)
    with torch.no_grad():
        model.linear.weight.copy_(torch.from_numpy(theta[None, :2]))
        model.linear.bias.copy_(torch.from_numpy(theta[2:]))
    tensor = lambda a: torch.from_numpy(np.ascontiguousarray(a, dtype=np.float64))
    return Problem(name, model.eval(), F.binary_cross_entropy, tensor(x[train]), tensor(y[train, None]),
                   tensor(x[test]), tensor(y[test, None]), batch_size or n, norm)


def relative_error(problem, scores, chunk=250):
    "Relative Frobenius distance of `scores` `[m, n]` from dense NumPy algebra, and how many of its rows are all zero."
    theta = np.concatenate([p.detach().numpy().ravel() for p in problem.model.parameters()])

    def gradients(x, y):
        xb = with_bias(x.numpy())
        probability = sigmoid(xb @ theta)
        return xb, probability, (probability - y.numpy().ravel())[:, None] * xb

    xb, probability, g_train = gradients(problem.x, problem.y)
    factors = np.linalg.solve(hessian_of(xb, probability), gradients(problem.x_test, problem.y_test)[2].T).T
    if tuple(scores.shape) != (len(factors), len(g_train)):
        raise ValueError(f"scores have shape {tuple(scores.shape)}, not {(len(factors), len(g_train))}")
    off = total = zero_rows = 0.0
    for start in range(0, len(factors), chunk):
        right = factors[start:start + chunk] @ g_train.T
        found = np.asarray(scores[start:start + chunk], dtype=np.float64)
        off, total = off + ((found - right) ** 2).sum(), total + (right ** 2).sum()
        zero_rows += (~found.any(axis=1)).sum()
    return float(np.sqrt(off / total)), int(zero_rows)
