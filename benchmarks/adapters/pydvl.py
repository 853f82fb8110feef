"""pyDVL: its DirectInfluence and both forms of its CgInfluence, with their defaults."""
DISTRIBUTION = "pyDVL"
METHODS = {
    "W1": {"direct": "DirectInfluence"},
    "W1cg": {"cg": "CgInfluence", "block-cg": "CgInfluence, solve_simultaneously=True"},
}


def fit(problem, method, loader):
    from pydvl.influence.torch import CgInfluence, DirectInfluence
    if method == "direct":
        model = DirectInfluence(problem.model, problem.loss, regularization=0.0)
    else:
        model = CgInfluence(problem.model, problem.loss, regularization=0.0,
                            solve_simultaneously=method == "block-cg")
    return model.fit(loader)


def influences(problem, fitted, loader, test_loader):
    return fitted.influences(problem.x_test, problem.y_test, problem.x, problem.y, mode="up")


def to_reference(problem, scores):
    return scores.detach()
