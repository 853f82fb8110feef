"""Train the digits' networks and compute the reference answers, once; `run.py` calls
this before it measures.

Everything lands in .envs/data/ and is the same for every library: arrays, trained
parameters, exact influences (dense algebra, conjugate gradients to 1e-11, or the
Gauss-Newton identity, all in float64) and, where a method defines its own answer
(EKFAC, rank 20, 200 steps, harmonic mean), that one too.
"""
import hashlib
import sys

import torch
import torch.nn.functional as F
from torch.func import functional_call, grad, hessian, vmap

import structured
from workloads import DAMPING, DIGITS, kept, layers_of, network

RECIPE = 3  # raise it where a change here or in structured.py changes an answer
# of the objective that the networks minimize: H + 0.001 I is positive at its minimum, H
# + 0.01 I well so
WEIGHT_DECAY = 1e-3
ITERATIONS = 1000  # of L-BFGS on the mean loss plus (WEIGHT_DECAY/2)‖θ‖²


def check_formulas():
    "The hand-written derivatives against automatic ones, on small networks."
    torch.manual_seed(0)
    close = lambda a, b: torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)
    for layers in ((5, 4, 3), (5, 6, 4, 3)):
        model, x, y = (network(layers, torch.float64),
                       torch.randn(20, 5, dtype=torch.float64), torch.arange(20) % 3)
        names, shapes = zip(*((name, p.shape) for name, p in model.named_parameters()))
        theta = torch.cat([p.detach().flatten() for p in model.parameters()])

        def loss(theta, x, y):
            pieces = theta.split([s.numel() for s in shapes])
            return F.cross_entropy(functional_call(model,
                                                   {k: v.view(s)
                                                    for k, v, s in zip(names, pieces,
                                                                       shapes)}, (x,)),
                                   y)

        net, eye = structured.Network(model), torch.eye(len(theta), dtype=torch.float64)
        H, G = (hessian(loss)(theta, x, y),
                vmap(grad(loss), (None, 0, 0))(theta, x[:, None], y[:, None]))
        close(net.flat_gradients(x, y), G)
        close(structured.gram(net.pairs(x, y), net.pairs(x, y)), G @ G.T)
        close(net.hessian_product(x, y, eye, elements=500), H)
        if len(layers) == 3:
            close(net.dense_hessian(x, y), H)
        gauss_newton = net.hessian_product(x, y, eye, gauss_newton=True)
        fisher = G.T @ G / len(x) + 0.01 * eye
        pairs, others = net.pairs(x, y), net.pairs(x[:7], y[:7])
        close(structured.push_through(pairs, others, 0.01),
              G[:7] @ torch.linalg.solve(fisher, G.T))
        right = G[:7] @ torch.linalg.solve(gauss_newton + 0.01 * eye, G.T)
        close(structured.exact_gauss_newton(net, x, y, x[:7], y[:7], 0.01), right)


def digits(quick):
    "Pixels from 0 to 1, in a fixed random order: 1,437 to train, 360 to test."
    from sklearn.datasets import load_digits
    x, y = load_digits(return_X_y=True)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    x, y = torch.from_numpy(x)[order] / 16, torch.from_numpy(y).long()[order]
    n = 300 if quick else 1437
    return x[:n], y[:n], x[1437:], y[1437:]


def train(layers, quick):
    """A network at a minimum of the mean loss plus a small penalty, by full-batch
    L-BFGS."""
    x, y, x_test, y_test = digits(quick)
    torch.manual_seed(0)
    model = network(layers, torch.float64)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=ITERATIONS,
                                  history_size=30, tolerance_grad=1e-9,
                                  tolerance_change=0, line_search_fn="strong_wolfe")

    def objective():
        optimizer.zero_grad()
        penalty = sum((p * p).sum() for p in model.parameters())
        value = F.cross_entropy(model(x), y) + WEIGHT_DECAY / 2 * penalty
        value.backward()
        return value

    optimizer.step(objective)
    objective()
    norm = torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item()
    accuracy = (model(x_test).argmax(1) == y_test).double().mean().item()
    net = structured.Network(model)
    size = sum(p.numel() for p in model.parameters())
    largest = structured.largest_eigenpairs(lambda V: net.hessian_product(x, y, V),
                                            size, 1, 30)[0].item()
    print(f"trained {layers}: gradient norm {norm:.1e}, test accuracy {accuracy:.3f}, "
          f"largest eigenvalue {largest:.3f}", file=sys.stderr, flush=True)
    return {"x": x, "y": y, "x_test": x_test, "y_test": y_test,
            "state": model.state_dict(), "gradient_norm": norm,
            "test_accuracy": accuracy, "largest_eigenvalue": largest}


def trained(layers, quick=False):
    "The network of these widths, made if it is missing."
    path = kept(layers, quick)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists(): torch.save(train(layers, quick), path)


def exact_hessian(net, x, y, G_test):
    """(H + λI)⁻¹ G_testᵀ, [p, m]: dense for one hidden layer, otherwise by conjugate
    gradients, deflated by Lanczos."""
    if len(net.weights) == 2:
        H = net.dense_hessian(x, y)
        return torch.linalg.solve(H + DAMPING * torch.eye(len(H), dtype=H.dtype),
                                  G_test.T)
    product = lambda V: net.hessian_product(x, y, V)
    values, U = structured.largest_eigenpairs(product, G_test.shape[1], 150, 300)
    preconditioner = structured.low_rank_inverse(values, U, DAMPING)
    return structured.conjugate_gradient(lambda V: product(V) + DAMPING * V,
                                         G_test.T.contiguous(), 1e-11, preconditioner)


def truncated(net, x, y, G_test, rank):
    "The best that `rank` directions can do: λ on all the others."
    pairs = structured.largest_eigenpairs(lambda V: net.hessian_product(x, y, V),
                                          G_test.shape[1], rank, 8 * rank)
    return structured.low_rank_inverse(*pairs, DAMPING)(G_test.T)


def answer(name, quick):
    "{'exact': [m, n]} and perhaps {'definition': [m, n]}, float64."
    saved = torch.load(kept(layers_of(name, quick), quick))
    model = network(layers_of(name, quick), torch.float64)
    model.load_state_dict(saved["state"])
    _, _, tests, settings = DIGITS[name]
    tests = max(tests // 10, 4) if quick else tests
    net, (x, y, x_test, y_test) = (structured.Network(model),
                                   (saved[k] for k in ("x", "y", "x_test", "y_test")))
    x_test, y_test = x_test[:tests], y_test[:tests]
    if name == "W5":
        return {"exact": structured.exact_gauss_newton(net, x, y, x_test, y_test,
                                                       DAMPING),
                "definition": structured.Ekfac(net, x, DAMPING)
                .plain_scores(x_test, y_test, x, y)}
    if name == "W12":
        return {"exact": structured.push_through(net.pairs(x, y),
                                                 net.pairs(x_test, y_test), DAMPING)}
    G, G_test = net.flat_gradients(x, y), net.flat_gradients(x_test, y_test)
    found = {"exact": None}
    if name == "W6n":  # the same model and points as W6
        return {"exact": torch.load(kept("W6", quick))["exact"]}
    for same in ("W4", "W6"):  # the same model and points, in W6 more of them
        if name in ("W4", "W4b") and kept(same, quick).exists():
            return {"exact": torch.load(kept(same, quick))["exact"][:tests].clone()}
    found["exact"] = (G @ exact_hessian(net, x, y, G_test)).T
    if name == "W6":
        found["definition"] = (G @ truncated(net, x, y, G_test, settings["rank"])).T
    if name == "W7":
        found["definition"] = (G @ structured.neumann(net.dense_hessian(x, y), G_test.T,
                                                      DAMPING, settings["steps"],
                                                      saved["largest_eigenvalue"]
                                                      + DAMPING)).T
    if name == "W7h":
        found["definition"] = structured.harmonic(net.pairs(x, y),
                                                  net.pairs(x_test, y_test), DAMPING)
    return found


def ready(names, quick):
    """Make what is missing for these workloads; all of it anew where the recipe has
    changed."""
    import workloads
    recipe = hashlib.sha256(repr((RECIPE, WEIGHT_DECAY, ITERATIONS, workloads.DIGITS,
                                  workloads.DAMPING)).encode()).hexdigest()
    stamp = workloads.DATA / "recipe"
    if not stamp.exists() or stamp.read_text() != recipe:
        workloads.DATA.mkdir(parents=True, exist_ok=True)
        for old in workloads.DATA.glob("*.pt"):
            old.unlink()
        check_formulas()
        stamp.write_text(recipe)
    wanted = [name for name in DIGITS if name in names]
    wanted = (["W3"] * ("scaling" in names) + ["W6"] * bool({"W6", "W6n"} & set(names))
              + wanted)
    # the small ones warm up the measuring processes
    for small in sorted({True, quick}, reverse=True):
        for name in wanted:
            layers = layers_of(name, small)
            if not kept(layers, small).exists():
                torch.save(train(layers, small), kept(layers, small))
            if not kept(name, small).exists():
                print(f"reference answer of {name}{' (quick)' if small else ''} …",
                      file=sys.stderr, flush=True)
                torch.save(answer(name, small), kept(name, small))


if __name__ == "__main__":
    ready(sys.argv[1].split(",") if len(sys.argv) > 1 else list(DIGITS),
          "--quick" in sys.argv)
