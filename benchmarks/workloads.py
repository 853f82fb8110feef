"""The work that every library gets: the same seeded data, the same trained model, the
same right answer.

Only NumPy and plain torch, so that it imports in every environment. Each workload is a
`Problem`. The blobs are made here; the digits, their trained networks and the reference
answers are read from what `prepare.py` kept on disk.
"""
import time
from dataclasses import dataclass, field
from pathlib import Path

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
    """A `DataLoader` that adds up, in `seconds`, the time spent inside its own
    iteration."""

    seconds = 0.0
    clock = staticmethod(time.perf_counter)

    def __iter__(self):
        start = self.clock()
        batches = super().__iter__()
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                self.seconds += self.clock() - start
                return
            self.seconds += self.clock() - start
            yield batch
            start = self.clock()


@dataclass
class Problem:
    """One workload: a trained model, the points to score, and what the answer is
    compared with."""

    name: str
    model: torch.nn.Module
    loss: callable
    x: torch.Tensor  # [n, d], training inputs
    y: torch.Tensor  # [n, 1] float64 or [n] int64, training labels
    x_test: torch.Tensor  # [m, d]
    y_test: torch.Tensor  # as y
    batch_size: int
    gradient_norm: float  # of the training objective, at the optimum found
    damping: float = 0.0  # λ
    # of the method: rtol, rank, steps, scale
    settings: dict = field(default_factory=dict)
    mode: str = "up"
    # () → {"exact": scores, and "definition": scores if the method defines some}
    answers: callable = None

    def loader(self, test=False):
        "A fresh loader over the training (or test) points, unshuffled."
        tensors = (self.x_test, self.y_test) if test else (self.x, self.y)
        return TimedLoader(TensorDataset(*tensors), batch_size=self.batch_size)


def blobs(n_samples, sigma, seed):
    """Two Gaussian blobs, covariance sigma² I, means (0,0) and (1,1), labels fair coin
    flips."""
    rng = np.random.default_rng(seed)
    means = np.array([[0.0, 0.0], [1.0, 1.0]])
    y = rng.integers(0, 2, n_samples)
    return means[y] + sigma * rng.standard_normal((n_samples, 2)), y


def sigmoid(z):
    "Logistic function without overflow."
    return 0.5 * (1.0 + np.tanh(0.5 * z))


def with_bias(x):
    """Inputs with a column of ones: the bias is the last parameter, as in
    `torch.nn.Linear`."""
    return np.hstack([x, np.ones((len(x), 1))])


def hessian_of(xb, probability):
    "Hessian of the mean binary cross entropy of a logistic regression."
    return (xb * (probability * (1.0 - probability))[:, None]).T @ xb / len(xb)


def newton(x, y, steps=100, tolerance=1e-14):
    """Minimise the mean binary cross entropy by damped Newton steps; returns parameters
    and gradient norm."""
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
        raise RuntimeError("a line separates the training points, so there is no "
                           "optimum: take another seed or sigma")
    return theta, float(norm)


# training points, test points scored
BLOBS = {"W1": (7000, 2000), "W1cg": (7000, 50), "W2": (1000, 200)}
# tanh networks on the digits
SMALL, MIDDLE, LARGE = (64, 32, 10), (64, 256, 64, 10), (64, 512, 256, 10)
DIGITS = {  # layers, data type, test points scored, settings
    "W3": (SMALL, torch.float64, 360, {}),
    # half of the error that is asked for: a residual does not bound the error
    "W4": (MIDDLE, torch.float64, 32, {"rtol": 5e-5}),
    "W4b": (MIDDLE, torch.float64, 32, {"rtol": 5e-9}),
    "W5": (LARGE, torch.float32, 360, {}),
    "W6": (MIDDLE, torch.float64, 360, {"rank": 20}),
    "W6n": (MIDDLE, torch.float64, 360, {"rank": 50}),
    "W7": (SMALL, torch.float64, 360, {"steps": 200}),
    "W7h": (SMALL, torch.float64, 360, {}),
    "W12": (MIDDLE, torch.float64, 32, {"rtol": 5e-9, "mode": "empirical_fisher"}),
}
WORKLOADS = [*BLOBS, *DIGITS]
DAMPING = 0.01
TITLES = {"W1": "blobs, direct solve, 7,000 training × 2,000 test points, p = 3",
          "W1cg": "blobs, conjugate gradients, 7,000 training × 50 test points, p = 3",
          "W2": "blobs, mode perturbation, 1,000 training × 200 test points, p = 3",
          "W3": "digits, direct solve with H + 0.01 I, 1,437 × 360, p = 2,410, float64",
          "W4": "digits, conjugate gradients to an error of 1e-4 with H + 0.01 I, "
          "1,437 × 32, p = 33,738, float64",
          "W4b": "W4 to an error of 1e-8",
          "W5": "digits, EKFAC with λ = 0.01, 1,437 × 360, p = "
          "167,178, float32", "W6": "digits, Arnoldi or Lanczos of rank 20 with H + "
          "0.01 I, 1,437 × 360, p = 33,738, float64",
          "W6n": "digits, Nyström of rank 50 with H + 0.01 I, 1,437 × 360, p = 33,738, "
          "float64", "W7": "digits, LiSSA, 200 steps with H + 0.01 I, 1,437 × 360, p = "
          "2,410, float64", "W7h": "digits, harmonic mean with λ = 0.01, 1,437 × 360, "
          "p = 2,410, float64",
          "W12": "digits, push-through with the empirical Fisher + 0.01 I, 1,437 × 32, "
          "p = 33,738, float64",}
# How an answer is called as good as another: its relative error or its correlation with
# exact influences.
APPROXIMATE = {"W5", "W6", "W6n", "W7", "W7h"}
GOALS = {"W4": 1e-4, "W4b": 1e-8}  # the error that all libraries are asked for
DATA = Path(__file__).resolve().parent / ".envs" / "data"


def network(layers, dtype):
    "Linear layers with tanh between them."
    parts = []
    for fan_in, fan_out in zip(layers, layers[1:]):
        parts += [torch.nn.Linear(fan_in, fan_out, dtype=dtype), torch.nn.Tanh()]
    return torch.nn.Sequential(*parts[:-1])


def layers_of(name, quick):
    """Widths of a workload's network; `quick` makes the hidden ones eight times
    narrower."""
    layers = DIGITS[name][0]
    return (layers[0], *(w // 8 if quick else w for w in layers[1:-1]), layers[-1])


def kept(kind, quick):
    "Where `prepare.py` keeps a network or an answer."
    kind = "-".join(map(str, kind)) if isinstance(kind, tuple) else kind
    return DATA / f"{kind}{'-quick' if quick else ''}.pt"


def digits_problem(name, batch_size, quick):
    "A workload on the digits, from what was prepared."
    _, dtype, tests, settings = DIGITS[name]
    layers = layers_of(name, quick)
    saved = torch.load(kept(layers, quick))
    model = network(layers, dtype)
    model.load_state_dict(saved["state"])
    tests = max(tests // 10, 4) if quick else tests
    x, x_test = saved["x"].to(dtype), saved["x_test"][:tests].to(dtype)
    return Problem(name, model.eval(), F.cross_entropy, x, saved["y"], x_test,
                   saved["y_test"][:tests], batch_size or len(x),
                   saved["gradient_norm"], DAMPING,
                   settings | {"scale": saved["largest_eigenvalue"] + DAMPING},
                   answers=lambda: torch.load(kept(name, quick)))


def blobs_problem(name, batch_size, quick, seed=1):
    "A workload on the blobs; the smaller ones are wider, so that no line parts them."
    n, m = BLOBS[name]
    if quick:
        n, m = n // 10, max(m // 10, 10)
    sigma = 0.2 if n > 5000 else 0.5
    x, y = blobs(10_000, sigma, seed)
    # The last tenth of the samples is the validation part that nothing here uses.
    train, test = slice(0, n), slice(7000, 7000 + m)
    theta, norm = newton(x[train], y[train])
    model = LogisticRegression(2)
    with torch.no_grad():
        model.linear.weight.copy_(torch.from_numpy(theta[None, :2]))
        model.linear.bias.copy_(torch.from_numpy(theta[2:]))
    tensor = lambda a: torch.from_numpy(np.ascontiguousarray(a, dtype=np.float64))
    mode = "perturbation" if name == "W2" else "up"
    return Problem(name, model.eval(), F.binary_cross_entropy, tensor(x[train]),
                   tensor(y[train, None]), tensor(x[test]), tensor(y[test, None]),
                   batch_size or n, norm, mode=mode,
                   answers=lambda: {"exact": blobs_answer(theta, x[train], y[train],
                                                          x[test], y[test], mode)})


def blobs_answer(theta, x, y, x_test, y_test, mode):
    "Dense algebra in NumPy: `[m, n]`, or `[m, n, 2]` in mode perturbation."
    def gradients(x, y):
        xb = with_bias(x)
        probability = sigmoid(xb @ theta)
        return xb, probability, (probability - y)[:, None] * xb

    xb, probability, g_train = gradients(x, y)
    factors = np.linalg.solve(hessian_of(xb, probability),
                              gradients(x_test, y_test)[2].T).T
    if mode == "up":
        return torch.from_numpy(factors @ g_train.T)
    # d/dx_j of (p − y)(x, 1) is p(1 − p) w_j (x, 1) + (p − y) e_j
    slope, residual = probability * (1 - probability), probability - y
    mixed = [(factors @ (xb * (slope * theta[j])[:, None]).T)
             + factors[:, j:j + 1] * residual for j in range(x.shape[1])]
    return torch.from_numpy(np.stack(mixed, axis=2))


def make(name, batch_size=None, quick=False):
    "Build a workload. `quick` shrinks it, to try the plumbing."
    return (blobs_problem if name in BLOBS else digits_problem)(name, batch_size, quick)


def compare(problem, scores):
    """How far `scores` are from the exact influences, and from the method's own
    definition if it has one."""
    answers = problem.answers()
    exact, scores = answers["exact"], torch.as_tensor(scores).detach()
    if scores.shape != exact.shape:
        raise ValueError(f"scores have shape {tuple(scores.shape)}, not "
                         f"{tuple(exact.shape)}")
    scores = scores.to(exact.dtype)
    found = {"relative_error": distance(scores, exact),
             "zero_rows": int((scores.flatten(1) == 0).all(1).sum())}
    if problem.name in APPROXIMATE:
        centered = [(s - s.mean()).flatten() for s in (scores, exact)]
        found["correlation"] = float(centered[0]
                                     @ centered[1] / (
                centered[0].norm() * centered[1].norm()))
    if "definition" in answers:
        found["definition_error"] = distance(scores, answers["definition"])
    return found


def distance(found, right):
    "Relative Frobenius distance."
    return float((found - right).norm() / right.norm())
