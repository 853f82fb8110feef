"""influence_nb, as its first page shows it."""
DISTRIBUTION = "influence_nb"
METHODS = {"W1": {"direct": "DirectInfluence"}, "W1cg": {"cg": "CgInfluence"}}


def fit(problem, method, loader):
    import influence_nb
    kind = {"direct": "DirectInfluence", "cg": "CgInfluence"}[method]
    return getattr(influence_nb, kind)(problem.model, problem.loss).fit(loader)


def influences(problem, fitted, loader, test_loader):
    return fitted.influences(problem.x_test, problem.y_test, problem.x, problem.y)


def to_reference(problem, scores):
    return scores.detach()
