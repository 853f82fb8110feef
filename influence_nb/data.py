import math
import numpy as np
import matplotlib.pyplot as plt

def _random_state(random_state):
    "NumPy's global state for None (as scikit-learn does), a seeded one for an int, anything else as it is"
    if random_state is None: return np.random.mtrand._rand
    return np.random.RandomState(random_state) if isinstance(random_state, (int, np.integer)) else random_state

def _blob_means(means):
    means = np.asarray(means, dtype=float)
    if means.ndim != 2 or len(means) < 2: raise ValueError(f"means must have shape [classes >= 2, d], got {means.shape}")
    if not np.isfinite(means).all(): raise ValueError("means holds NaN or infinite values")
    return means

def sample_gaussian_blobs(
    means,  # one mean per class, [C, d]
    sigma: float,  # standard deviation in every direction; the covariance is σ²I
    num_samples: int,  # number of points, n
    random_state=None,  # seed, `RandomState` or None (NumPy's global state)
) -> tuple:  # x [n, d] float64 and y [n] int
    "Draw a class for each point, uniformly, then the point from its class's Gaussian. Raises `ValueError` for a bad argument."
    means, rng = _blob_means(means), _random_state(random_state)
    if not (np.isscalar(sigma) and sigma > 0 and math.isfinite(sigma)): raise ValueError(f"sigma must be a positive number, got {sigma}")
    if num_samples < 1: raise ValueError(f"num_samples must be at least 1, got {num_samples}")
    y = rng.randint(len(means), size=num_samples)
    return means[y] + sigma * rng.normal(size=(num_samples, means.shape[1])), y

def synthetic_classification_dataset(
    means,  # one mean per class, [C, d]
    sigma: float,  # standard deviation in every direction
    num_samples: int,  # points in all three sets together
    train_size: float = 0.7,  # fraction for training
    test_size: float = 0.2,  # fraction for testing; what is left is for validation
    random_state=None,  # seed, `RandomState` or None (NumPy's global state)
) -> tuple:  # ((x, y) train, (x, y) validation, (x, y) test); x [n, d] float64, y [n] int
    "Gaussian blobs, split into training, validation and test set. Raises `ValueError` if the fractions do not fit."
    if not (0 < train_size <= 1 and 0 <= test_size < 1 and train_size + test_size <= 1 + 1e-12):
        raise ValueError(f"train_size and test_size must be fractions with a sum of at most 1, got {train_size} and {test_size}")
    x, y = sample_gaussian_blobs(means, sigma, num_samples, random_state)
    n_train, n_test = round(train_size * num_samples), round(test_size * num_samples)
    parts = np.split(np.arange(num_samples), [n_train, num_samples - n_test])
    return tuple((x[part], y[part]) for part in parts)

def decision_boundary_fixed_variance_2d(
    mu_1,  # mean of the first class, [2]
    mu_2,  # mean of the second class, [2]
):  # a function of z [m] that gives m points of the boundary, [m, 2]
    "The optimal boundary between two blobs of equal variance: the perpendicular bisector of their means."
    mu_1, mu_2 = _blob_means([mu_1, mu_2])
    if len(mu_1) != 2: raise ValueError(f"mu_1 and mu_2 must be points in the plane, got {len(mu_1)} dimensions")
    along = np.array([mu_2[1] - mu_1[1], mu_1[0] - mu_2[0]])
    return lambda z: (mu_1 + mu_2) / 2 + np.asarray(z)[:, None] * along

def bayes_posterior(
    x,  # points, [n, d]
    means,  # one mean per class, [C, d]
    sigma: float,  # standard deviation of every blob
) -> np.ndarray:  # p(y = k | x), [n, C], rows sum to one
    "The probability of each class at each point, by Bayes' rule with equal class frequencies."
    means = _blob_means(means)
    log_density = -((np.asarray(x)[:, None, :] - means) ** 2).sum(-1) / (2 * sigma**2)
    density = np.exp(log_density - log_density.max(1, keepdims=True))
    return density / density.sum(1, keepdims=True)

def bayes_error(
    mu_1,  # mean of the first class, [d]
    mu_2,  # mean of the second class, [d]
    sigma: float,  # standard deviation of both blobs
) -> float:  # the smallest error rate that any classifier can reach
    "Φ(−‖μ₂ − μ₁‖ / 2σ), the error of the optimal classifier of two equally frequent blobs."
    distance = np.linalg.norm(np.asarray(mu_2, dtype=float) - np.asarray(mu_1, dtype=float))
    return 0.5 * math.erfc(distance / (2 * sigma) / math.sqrt(2))

def flip_labels(
    y,  # labels, [n] int
    fraction: float | None = None,  # fraction of labels to flip, in [0, 1]
    random_state=None,  # seed, `RandomState` or None (NumPy's global state)
    *,
    indices=None,  # flip exactly these, instead of a fraction
    num_classes: int | None = None,  # number of classes; by default the largest label plus one, at least 2
) -> tuple:  # (labels with the flips, [n]; indices of the flipped ones, ascending)
    "Give some points another class, chosen uniformly among the others. `y` itself is left as it was."
    y, rng = np.asarray(y), _random_state(random_state)
    if y.ndim != 1 or y.dtype.kind not in "iu" or y.size == 0 or y.min() < 0:
        raise ValueError(f"y must hold class labels 0, 1, … as integers in one dimension, got dtype {y.dtype} and shape {y.shape}")
    if (fraction is None) == (indices is None): raise ValueError("give either fraction or indices")
    if fraction is not None and not 0 <= fraction <= 1: raise ValueError(f"fraction must be between 0 and 1, got {fraction}")
    if indices is None: indices = rng.choice(len(y), size=round(fraction * len(y)), replace=False)
    indices = np.unique(np.asarray(indices, dtype=int))
    if len(indices) and not (0 <= indices[0] and indices[-1] < len(y)): raise ValueError(f"indices must lie in 0 … {len(y) - 1}")
    classes, flipped = num_classes or max(2, y.max() + 1), y.copy()
    flipped[indices] = (y[indices] + rng.randint(1, classes, size=len(indices))) % classes
    return flipped, indices

def bayes_flip_probability(
    x,  # points, [n, d]
    y,  # observed labels, some of them flipped, [n] int
    means,  # one mean per class, [C, d]
    sigma: float,  # standard deviation of every blob
    flip_rate: float,  # probability that a label was flipped
) -> np.ndarray:  # P(flipped | x, y), [n]
    "The optimal detector of flipped labels: no score that sees only `x` and `y` ranks flips better (Neyman–Pearson)."
    posterior = bayes_posterior(x, means, sigma)
    stated = posterior[np.arange(len(posterior)), np.asarray(y)]
    flipped = flip_rate * (1 - stated) / (posterior.shape[1] - 1)
    return flipped / (flipped + (1 - flip_rate) * stated)

CLASS_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#F0E442", "#000000")
CLASS_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

def plot_blobs(
    x,  # points in the plane, [n, 2]
    y,  # labels, [n] int
    *,
    line=None,  # points of a line to draw, [m, 2]
    ax=None,  # axes to draw on
    s: float | None = None,  # marker size, in points squared
    legend_title: str | None = None,  # title of the legend
):  # the axes
    "Scatter points by class; colour and marker both tell the class."
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim != 2 or x.shape[1] != 2: raise ValueError(f"x must have shape [n, 2] to be drawn in the plane, got {x.shape}")
    if ax is None: _, ax = plt.subplots(figsize=(5, 4), layout="constrained")
    for k in np.unique(y):
        ax.scatter(*x[y == k].T, s=s, c=CLASS_COLORS[int(k) % 8], marker=CLASS_MARKERS[int(k) % 8], alpha=0.7, linewidths=0, label=str(k))
    limits = ax.get_xlim(), ax.get_ylim()
    if line is not None:
        ax.plot(*np.asarray(line).T, color="black", label="boundary")
        ax.set(xlim=limits[0], ylim=limits[1])
    ax.legend(title=legend_title)
    return ax

def plot_gaussian_blobs(
    train,  # (x [n, 2], y [n]) training points and labels
    test,  # (x [m, 2], y [m]) test points and labels
    x_min=None,  # lower limits of the axes, [2]
    x_max=None,  # upper limits of the axes, [2]
    *,
    xlabel: str | None = None,  # label of the horizontal axis
    ylabel: str | None = None,  # label of the vertical axis
    legend_title: str | None = None,  # title of the legend
    line=None,  # points of a line to draw, [m, 2]
    s: float | None = None,  # marker size, in points squared
    suptitle: str | None = None,  # title of the figure
    figsize: tuple = (9, 4),  # inches
):  # the two axes
    "Training and test points side by side, with a boundary if one is given."
    fig, axes = plt.subplots(1, 2, figsize=figsize, sharex=True, sharey=True, layout="constrained")
    for ax, (x, y), title in zip(axes, (train, test), ("train", "test")):
        plot_blobs(x, y, line=line, ax=ax, s=s, legend_title=legend_title).set(title=title, xlabel=xlabel, ylabel=ylabel)
        if x_min is not None and x_max is not None: ax.set(xlim=(x_min[0], x_max[0]), ylim=(x_min[1], x_max[1]))
    fig.suptitle(suptitle)
    return axes
