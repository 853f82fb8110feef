"""A tanh network with softmax cross entropy, differentiated by hand: the bounds and the
reference answers use it.

The gradient of a linear layer is a pair (input with a one, gradient of the output), so
inner products of gradients are products of small Gram matrices, and a Hessian product
for many right-hand sides is a few matrix products a layer. `prepare.py` checks every
formula here against automatic differentiation before it uses one.
"""
import torch


def with_ones(a):
    "Inputs with a column of ones for the bias."
    return torch.cat([a, a.new_ones(len(a), 1)], 1)


class Network:
    """The layers of a `Sequential` of linear layers and tanh, as [out, in + 1] matrices
    with the bias last."""

    def __init__(self, model):
        self.linears = [layer for layer in model if isinstance(layer, torch.nn.Linear)]
        self.weights = [torch.cat([l.weight, l.bias[:, None]], 1).detach()
                        for l in self.linears]

    def split(self, V):
        "Columns [p, k] in torch's order of parameters → one [k, out, in + 1] a layer."
        parts, start = [], 0
        for W in self.weights:
            out, fan_in = W.shape[0], W.shape[1] - 1
            weight = V[start:start + out * fan_in].T.reshape(-1, out, fan_in)
            bias = V[start + out * fan_in:start + out * fan_in + out].T
            parts.append(torch.cat([weight, bias[:, :, None]], 2))
            start += out * (fan_in + 1)
        return parts

    def join(self, parts):
        "The way back: [p, k]."
        return torch.cat([piece for part in parts
                          for piece in (part[:, :, :-1].flatten(1), part[:, :, -1])],
                         1).T

    def forward(self, x):
        "Inputs of every layer, and class probabilities."
        inputs = [x]
        for W in self.weights:
            inputs.append(torch.tanh(inputs[-1] @ W[:, :-1].T + W[:, -1]))
        logits = inputs[-2] @ self.weights[-1][:, :-1].T + self.weights[-1][:, -1]
        return inputs[:-1], torch.softmax(logits, 1)

    def backward(self, inputs, D):
        """Gradients at every layer's output, given those at the logits, [n, out] or [n,
        any, out]."""
        deltas = [D]
        for W, a in zip(self.weights[:0:-1], inputs[:0:-1]):
            slope = 1 - a * a
            deltas.append((deltas[-1] @ W[:, :-1]) * (slope if D.ndim == 2
                                                      else slope[:, None]))
        return deltas[::-1]

    def pairs(self, x, y):
        """(inputs with ones, gradients at the outputs) of every layer: the per-sample
        gradients, unmultiplied."""
        inputs, p = self.forward(x)
        residual = p - torch.nn.functional.one_hot(y, p.shape[1])
        return [with_ones(a) for a in inputs], self.backward(inputs, residual)

    def root_pairs(self, x):
        """The same for the columns of B, where B Bᵀ = diag(p) − p pᵀ is the loss's
        Hessian at the logits."""
        inputs, p = self.forward(x)
        root = p.sqrt()
        # row a is column a of B
        B = torch.diag_embed(root) - root[:, :, None] * p[:, None, :]
        return [with_ones(a) for a in inputs], self.backward(inputs, B)

    def flat_gradients(self, x, y):
        "[n, p]"
        return self.join([d[:, :, None] * a[:, None, :]
                          for a, d in zip(*self.pairs(x, y))]).T

    def hessian_product(self, x, y, V, gauss_newton=False, elements=2**22):
        "Mean Hessian (or Gauss-Newton matrix) over the samples times V [p, k]."
        k, sizes = V.shape[1], [W.shape for W in self.weights]
        parts = self.split(V)
        wide = [part.reshape(-1, part.shape[2]) for part in parts]  # [k·out, in + 1]
        # [out, k·in]
        tall = [part[:, :, :-1].transpose(0, 1).reshape(part.shape[1], -1)
                for part in parts]
        total = [torch.zeros_like(part) for part in parts]
        rows = max(1, elements // (k * max(max(s) for s in sizes)))
        for start in range(0, len(x), rows):
            xb, yb = x[start:start + rows], y[start:start + rows]
            inputs, p = self.forward(xb)
            residual = p - torch.nn.functional.one_hot(yb, p.shape[1])
            deltas = self.backward(inputs, residual)
            moved = [None]  # how the inputs of each layer move, [b, k, in]
            for i, (W, a) in enumerate(zip(self.weights, inputs)):
                out = (with_ones(a) @ wide[i].T).view(len(a), k, -1)
                if i: out = out + moved[i] @ W[:, :-1].T
                if i + 1 < len(inputs):
                    moved.append(out * (1 - inputs[i + 1] ** 2)[:, None])
            R = p[:, None] * (out - (p[:, None] * out).sum(2, keepdim=True))
            for i in range(len(inputs) - 1, -1, -1):
                W, a, d = self.weights[i], inputs[i], deltas[i]
                total[i] += (R.reshape(len(a), -1).T
                             @ with_ones(a)).view(k, -1, a.shape[1] + 1)
                if i and not gauss_newton:
                    bent = (d.T @ moved[i].reshape(len(a), -1)).view(d.shape[1], k, -1)
                    total[i][:, :, :-1] += bent.transpose(0, 1)
                if i:
                    slope, back = (1 - a * a)[:, None], R @ W[:, :-1]
                    if not gauss_newton:
                        back = back + (d @ tall[i]).view(len(a), k, -1)
                        back = (back
                                - 2 * (a * (d @ W[:, :-1]))[:,
                                                            None] * (moved[i] / slope))
                    R = back * slope
        return self.join(total) / len(x)

    def dense_hessian(self, x, y):
        """For one hidden layer: every block of the Hessian is a sum of weighted Gram
        matrices, [p, p]."""
        (a1, a2), (D1, D2) = self.root_pairs(x)
        _, (d1, r) = self.pairs(x, y)
        h, W2 = a2[:, :-1], self.weights[1][:, :-1]
        curve = -2 * h * (1 - h * h) * (r @ W2)  # from the second derivative of tanh

        def gram(C, left, right):  # Σ_n C[n, o, q] left[n, i] right[n, j], [o, i, q, j]
            columns = [left.T @ (C[:, o, :, None] * right[:, None]).flatten(1)
                       for o in range(C.shape[1])]
            return torch.stack(columns).view(C.shape[1], left.shape[1], C.shape[2],
                                             right.shape[1])

        H11 = gram(torch.einsum("nao,naq->noq", D1, D1) + torch.diag_embed(curve), a1,
                   a1)
        H22 = gram(torch.einsum("nao,naq->noq", D2, D2), a2, a2)
        H21 = gram(torch.einsum("nao,naq->noq", D2, D1), a2, a1)
        j = torch.arange(h.shape[1])
        bent = torch.einsum("no,nj,ni->oji", r, 1 - h * h, a1)
        H21[:, j, j] += bent
        p1, p2 = a1.shape[1] * h.shape[1], a2.shape[1] * r.shape[1]
        H = torch.cat([torch.cat([H11.reshape(p1, p1), H21.reshape(p2, p1).T], 1),
                       torch.cat([H21.reshape(p2, p1), H22.reshape(p2, p2)], 1)])
        order = self.order()
        return H[order][:, order] / len(x)

    def order(self):
        """Where each parameter, in torch's order, stands in the [out, in + 1] matrices
        laid end to end."""
        places, start = [], 0
        for W in self.weights:
            table = torch.arange(start, start + W.numel()).view(W.shape)
            places += [table[:, :-1].flatten(), table[:, -1]]
            start += W.numel()
        return torch.cat(places)


def gram(left, right):
    """Inner products of gradients given as pairs: a sum over layers of Hadamard
    products, [n, m]."""
    return sum((d @ e.T) * (a @ b.T) for a, d, b, e in zip(*left, *right))


def conjugate_gradient(A, B, rtol, preconditioner=lambda R: R, maxiter=2000):
    """Solve A X = B, all columns at once, until every residual is below rtol times its
    right-hand side."""
    X, R = torch.zeros_like(B), B.clone()
    stop, P, rho = (rtol * R.norm(dim=0), torch.zeros_like(B),
                    torch.full_like(B[0], torch.inf))
    for _ in range(maxiter):
        active = (R.norm(dim=0) > stop).nonzero()[:, 0]
        if not len(active):
            return X
        r = R[:, active]
        z = preconditioner(r)
        new = (r * z).sum(0)
        P[:, active] = p = z + new / rho[active] * P[:, active]
        Ap = A(p)
        rho[active], curvature = new, (p * Ap).sum(0)
        if not (curvature > 0).all():
            raise RuntimeError("the matrix is not positive definite")
        X[:, active] += new / curvature * p
        R[:, active] -= new / curvature * Ap
    raise RuntimeError(f"not converged in {maxiter} iterations")


def lanczos(A, b, steps):
    """Orthonormal basis [p, steps] of the Krylov space and the tridiagonal matrix, with
    full reorthogonalization."""
    Q, T = b.new_zeros(len(b), steps), b.new_zeros(steps, steps)
    Q[:, 0] = b / b.norm()
    for i in range(steps):
        w = A(Q[:, i:i + 1])[:, 0]
        T[i, i] = Q[:, i] @ w
        for _ in range(2):
            w = w - Q[:, :i + 1] @ (Q[:, :i + 1].T @ w)
        if i + 1 < steps:
            T[i, i + 1] = T[i + 1, i] = w.norm()
            Q[:, i + 1] = w / w.norm()
    return Q, T


def largest_eigenpairs(A, p, rank, steps, dtype=torch.float64):
    "The `rank` eigenpairs of largest magnitude, from `steps` Lanczos steps."
    start = torch.randn(p, dtype=dtype, generator=torch.Generator().manual_seed(0))
    Q, T = lanczos(A, start, min(steps, p))
    values, vectors = torch.linalg.eigh(T)
    top = values.abs().argsort(descending=True)[:rank]
    return values[top], Q @ vectors[:, top]


def low_rank_inverse(values, U, damping):
    "(U diag(values) Uᵀ + λI)⁻¹ as a function."
    factor = (1 / (values + damping) - 1 / damping)[:, None]
    return lambda B: B / damping + U @ (factor * (U.T @ B))


def exact_gauss_newton(network, x, y, x_test, y_test, damping):
    """g_testᵀ (GGN + λI)⁻¹ g_train without any [p, p] matrix: the push-through
    identity, on the (sample, class) Gram matrix."""
    a, D = network.root_pairs(x)
    n, classes = D[0].shape[:2]
    S = 0.0
    for inputs, delta in zip(a, D):
        flat = delta.reshape(n * classes, -1)
        block = (flat @ flat.T).view(n, classes, n, classes)
        block *= (inputs @ inputs.T)[:, None, :, None]
        S += block.view(n * classes, n * classes)
    S.diagonal().add_(n * damping)

    # inner products of the columns with per-sample gradients, [n·classes, m]
    def against(pairs):
        return sum((delta.reshape(n * classes, -1) @ d.T)
                   .view(n, classes, -1) * (inputs @ b.T)[:, None]
                   for inputs, delta, b, d in zip(a, D, *pairs)).view(n * classes, -1)

    train, test = network.pairs(x, y), network.pairs(x_test, y_test)
    factor = torch.linalg.cholesky(S)
    del S
    left = torch.linalg.solve_triangular(factor, against(test), upper=False)
    right = torch.linalg.solve_triangular(factor, against(train), upper=False)
    return (gram(test, train) - left.T @ right) / damping


class Ekfac:
    """EKFAC with the Fisher exact over the classes; scores by the low numerical rank of
    1 / (Λ + λ)."""

    def __init__(self, network, x, damping, chunk=512):
        self.network, self.damping, n = network, damping, len(x)
        a, D = network.root_pairs(x)
        self.bases, self.inverses = [], []
        for inputs, delta in zip(a, D):
            flat = delta.flatten(0, 1)
            U, V = (torch.linalg.eigh(inputs.T @ inputs / n)[1],
                    torch.linalg.eigh(flat.T @ flat / n)[1])
            second = ((flat @ V) ** 2).view(n, -1, V.shape[1]).sum(1)
            self.bases.append((U, V))
            self.inverses.append(1 / (second.T @ (inputs @ U) ** 2 / n + damping))

    def rotated(self, x, y):
        "Pairs in the eigenbases."
        return [(a @ U, d @ V) for a, d, (U, V) in zip(*self.network.pairs(x, y),
                                                       self.bases)]

    def scores(self, x_test, y_test, x, y, tolerance=1e-7):
        "[m, n]"
        total = 0.0
        for (a, d), (b, e), W in zip(self.rotated(x_test, y_test), self.rotated(x, y),
                                     self.inverses):
            left, values, right = torch.linalg.svd(W, full_matrices=False)
            for r in range(int((values > tolerance * values[0]).sum())):
                total = total + ((d * left[:, r]) @ e.T) * ((a * (values[r] * right[r]))
                                                            @ b.T)
        return total

    def plain_scores(self, x_test, y_test, x, y):
        """The same as one product with the divided gradients: what the scores are by
        definition."""
        return sum(((d[:, :, None] * a[:, None, :]) * W).flatten(1)
                   @ (e[:, :, None] * b[:, None, :]).flatten(1).T
                   for (a, d), (b, e), W in zip(self.rotated(x_test, y_test),
                                                self.rotated(x, y), self.inverses))


def connect(factors, pairs, rows=128):
    """Inner products of factors, [m, out, in + 1] a layer, with gradients given as
    pairs, [m, n]."""
    found = []
    for start in range(0, len(pairs[0][0]), rows):
        part = slice(start, start + rows)
        found.append(sum(torch.einsum("nmo,no->mn",
                                      (a[part] @ F.flatten(0, 1).T)
                                      .view(-1, *F.shape[:2]), d[part])
                         for F, a, d in zip(factors, *pairs)))
    return torch.cat(found, 1)


def neumann(H, B, damping, steps, scale):
    """`steps` steps of h ← b + (I − (H + λI)/scale) h, divided by the scale: LiSSA on
    the whole data."""
    solution = B.clone()
    for _ in range(steps):
        solution = B + (1 - damping / scale) * solution - H @ solution / scale
    return solution / scale


def harmonic(train, test, damping):
    """With the mean of (g gᵀ + λI)⁻¹ over the training points in the place of the
    inverse, [m, n]; from pairs."""
    K, T = gram(train, train), gram(test, train)
    return (T - T @ (K / (damping + K.diagonal())[:, None]) / len(K)) / damping


def push_through(train, test, damping):
    "With the inverse of the empirical Fisher + λI, [m, n]: Woodbury, from pairs."
    K, T = gram(train, train), gram(test, train)
    system = K.clone()
    system.diagonal().add_(len(K) * damping)
    return (T - torch.linalg.solve(system, T.T).T @ K) / damping


def nystroem(A, p, rank, dtype):
    """Eigenpairs of the Nyström approximation A Ω (ΩᵀAΩ)⁻¹ (AΩ)ᵀ with an orthonormal
    random Ω [p, rank]."""
    omega = torch.linalg.qr(torch.randn(p, rank, dtype=dtype,
                                        generator=torch.Generator().manual_seed(0)))[0]
    Y = A(omega)
    values, vectors = torch.linalg.eigh(omega.T @ Y)
    good = values > 1e-12 * values[-1]
    U, sizes, _ = torch.linalg.svd(Y @ vectors[:, good] / values[good].sqrt(),
                                   full_matrices=False)
    return sizes ** 2, U
