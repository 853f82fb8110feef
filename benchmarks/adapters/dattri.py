"""dattri: its explicit and its CG attributor, with their defaults.

It adds up one inverse a batch, so its answer is right only with the training set in one batch (its documentation
asks for that).
It has no separate fit: `cache` keeps the loader, and `attribute` does all the work, the Hessian included.
"""
import torch

DISTRIBUTION = "dattri"
ONE_BATCH_ONLY = True
METHODS = {"W1": {"direct": "IFAttributorExplicit"}, "W1cg": {"cg": "IFAttributorCG"}}


def fit(problem, method, loader):
    from dattri.algorithm.influence_function import IFAttributorCG, IFAttributorExplicit
    from dattri.task import AttributionTask
    # Its result takes torch's default type: without this, float64 gradients end in a float32 matrix.
    torch.set_default_dtype(torch.float64)

    def loss(params, data):
        x, y = data
        return problem.loss(torch.func.functional_call(problem.model, params, (x,)), y)

    task = AttributionTask(loss_func=loss, model=problem.model, checkpoints=problem.model.state_dict())
    attributor = {"direct": IFAttributorExplicit, "cg": IFAttributorCG}[method](task=task)
    attributor.cache(loader)
    return attributor


def influences(problem, fitted, loader, test_loader):
    with torch.no_grad():
        return fitted.attribute(loader, test_loader)


def to_reference(problem, scores):
    return scores.detach().T
