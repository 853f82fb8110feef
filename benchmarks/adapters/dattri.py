"""dattri: its attributors, with their defaults where the workload sets nothing.

It adds up one inverse a batch, so its answer is right only with the training set in one
batch (its documentation asks for that). Its CG takes a fixed number of steps whatever
its tolerance (100 here; 10 by default). Its EKFAC uses the true labels, its DataInf
inverts in blocks, its Arnoldi keeps what lies in the subspace.
"""
import torch

DISTRIBUTION = "dattri"
ONE_BATCH_ONLY = True
METHODS = {
    "W1": {"direct": "IFAttributorExplicit"}, "W1cg": {"cg": "IFAttributorCG"},
    "W3": {"direct": "IFAttributorExplicit"}, "W4": {"cg": "IFAttributorCG, 100 steps"},
    "W5": {"ekfac": "IFAttributorEKFAC"}, "W6": {"arnoldi": "IFAttributorArnoldi"},
    "W7": {"lissa": "IFAttributorLiSSA"}, "W7h": {"datainf": "IFAttributorDataInf"},
    "W12": {"datainf": "IFAttributorDataInf"},
}


def fit(problem, method, loader):
    from dattri.algorithm import influence_function as dattri
    from dattri.task import AttributionTask
    # Its result takes torch's default type: without this, float64 gradients end in a
    # float32 matrix.
    torch.set_default_dtype(problem.x.dtype)
    whole = problem.loss is torch.nn.functional.cross_entropy

    def loss(params, data):
        x, y = data
        return problem.loss(torch.func.functional_call(problem.model, params, (x,)),
                            y.long() if whole else y)

    task = AttributionTask(loss_func=loss, model=problem.model,
                           checkpoints=problem.model.state_dict())
    damping, settings = problem.damping, problem.settings
    if method == "direct":
        attributor = dattri.IFAttributorExplicit(task=task, regularization=damping)
    elif method == "cg":
        attributor = dattri.IFAttributorCG(task=task, regularization=damping,
                                           max_iter=100 if "rtol" in settings else 10)
    elif method == "ekfac":
        attributor = dattri.IFAttributorEKFAC(task=task, damping=damping)
    elif method == "arnoldi":
        attributor = dattri.IFAttributorArnoldi(task=task, regularization=damping,
                                                proj_dim=settings["rank"])
    elif method == "lissa":
        # h ← g + (1 − damping) h − H h / scaling, so that λ is damping · scaling
        attributor = dattri.IFAttributorLiSSA(task=task, batch_size=len(problem.x),
                                              recursion_depth=settings["steps"],
                                              damping=damping / settings["scale"],
                                              scaling=settings["scale"])
    elif method == "datainf":
        attributor = dattri.IFAttributorDataInf(task=task, regularization=damping)
    attributor.cache(loader)
    return attributor


def influences(problem, fitted, loader, test_loader):
    with torch.no_grad():
        return fitted.attribute(loader, test_loader)


def to_reference(problem, scores):
    return scores.detach().T
