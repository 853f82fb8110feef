"""captum: its NaiveInfluenceFunction, the one that forms the Hessian. It has no conjugate gradients.

Its Hessian is of the summed loss, so its scores are ours divided by n. Its cut of small eigenvalues and its damping
are set to nothing; its default rank (50) is above p here.
"""
import torch

DISTRIBUTION = "captum"
METHODS = {"W1": {"direct": "NaiveInfluenceFunction"}, "W1cg": {}}


def fit(problem, method, loader):
    from captum.influence._core.influence_function import NaiveInfluenceFunction
    return NaiveInfluenceFunction(
        problem.model, loader, checkpoint="", checkpoints_load_func=lambda model, path: 1.0,
        loss_fn=torch.nn.BCELoss(reduction="sum"), sample_wise_grads_per_batch=True,
        hessian_reg=0.0, hessian_inverse_tol=0.0)


def influences(problem, fitted, loader, test_loader):
    return fitted.influence((problem.x_test, problem.y_test))


def to_reference(problem, scores):
    return scores.detach() * len(problem.x)
