"""curvlinops: its linear operators and their inverses, between per-sample gradients by
`torch.func`.

It is a library of curvature, not of influence: the gradients and the last product are
ours here, all of them at once.
"""
import torch

DISTRIBUTION = "curvlinops-for-pytorch"
METHODS = {"W3": {"direct": "HessianLinearOperator, dense"},
           "W4": {"cg": "CGInverseLinearOperator"},
           "W5": {"ekfac": "EKFACLinearOperator, type-2"},
           "W7": {"neumann": "NeumannInverseLinearOperator"},}


def fit(problem, method, loader):
    import curvlinops
    from curvlinops.examples import IdentityLinearOperator
    parameters, settings, damping = (list(problem.model.parameters()), problem.settings,
                                     problem.damping)
    loss, batches = torch.nn.CrossEntropyLoss(), list(loader)
    if method == "ekfac":
        operator = curvlinops.EKFACLinearOperator(
            problem.model, loss, parameters, batches, check_deterministic=False,
            fisher_type=curvlinops.FisherType.TYPE2, separate_weight_and_bias=False)
        return curvlinops.KFACInverseLinearOperator(operator, damping=damping,
                                                    use_exact_damping=True)
    H = curvlinops.HessianLinearOperator(problem.model, loss, parameters, batches,
                                         check_deterministic=False)
    if method == "direct":
        eye = torch.eye(H.shape[0], dtype=problem.x.dtype)
        return torch.linalg.inv(H @ eye + damping * eye)
    damped = H + damping * IdentityLinearOperator([p.shape for p in parameters],
                                                  problem.x.device, problem.x.dtype)
    if method == "cg":
        return curvlinops.CGInverseLinearOperator(damped, tolerance=settings["rtol"],
                                                  max_iter=1000, max_tridiag_iter=0)
    return curvlinops.NeumannInverseLinearOperator(damped, num_terms=settings["steps"],
                                                   scale=1 / settings["scale"])


def gradients(problem, x, y):
    "[n, p]"
    model, parameters = problem.model, {k: p.detach()
                                        for k, p in problem.model.named_parameters()}
    of_one = lambda p, x, y: problem.loss(
        torch.func.functional_call(model, p, (x[None],)), y[None])
    found = torch.func.vmap(torch.func.grad(of_one), (None, 0, 0))(parameters, x, y)
    return torch.cat([g.flatten(1) for g in found.values()], 1)


def influences(problem, fitted, loader, test_loader):
    with torch.no_grad():
        G_test = gradients(problem, problem.x_test, problem.y_test)
        G = gradients(problem, problem.x, problem.y)
    return (G @ (fitted @ G_test.T.contiguous())).T


def to_reference(problem, scores):
    return scores.detach()
