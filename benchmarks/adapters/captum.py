"""captum: NaiveInfluenceFunction, which forms the Hessian, and
ArnoldiInfluenceFunction. It has no other inverse.

Its Hessian is of the summed loss, so its scores are ours divided by n and its damping
is n λ. Its cut of small eigenvalues is set to nothing, and the rank of the direct solve
to p (by default both keep 50 directions).
"""
import torch

DISTRIBUTION = "captum"
METHODS = {"W1": {"direct": "NaiveInfluenceFunction"},
           "W3": {"direct": "NaiveInfluenceFunction"},
           "W6": {"arnoldi": "ArnoldiInfluenceFunction"},}


def fit(problem, method, loader):
    from captum.influence._core.arnoldi_influence_function import (
        ArnoldiInfluenceFunction)
    from captum.influence._core.influence_function import NaiveInfluenceFunction
    summed = (torch.nn.BCELoss
              if problem.loss is torch.nn.functional.binary_cross_entropy
              else torch.nn.CrossEntropyLoss)
    size = sum(p.numel() for p in problem.model.parameters())
    kind, rank = {"direct": (NaiveInfluenceFunction, size),
                  "arnoldi": (ArnoldiInfluenceFunction,
                              problem.settings.get("rank"))}[method]
    return kind(problem.model, loader, checkpoint="",
                checkpoints_load_func=lambda model, path: 1.0,
                loss_fn=summed(reduction="sum"), sample_wise_grads_per_batch=True,
                projection_dim=rank, hessian_reg=len(problem.x) * problem.damping,
                hessian_inverse_tol=0.0)


def influences(problem, fitted, loader, test_loader):
    return fitted.influence((problem.x_test, problem.y_test))


def to_reference(problem, scores):
    return scores.detach() * len(problem.x)
