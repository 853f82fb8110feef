"""pyDVL, with its defaults where the workload sets nothing.

EKFAC is fitted with pseudo-labels weighted by the model's probabilities,
`update_diagonal=True` (without it: KFAC).
"""
DISTRIBUTION = "pyDVL"
METHODS = {"W1": {"direct": "DirectInfluence"},
           "W1cg": {"cg": "CgInfluence",
                    "block-cg": "CgInfluence, solve_simultaneously=True"},
           "W2": {"direct": "DirectInfluence"}, "W3": {"direct": "DirectInfluence"},
           "W4": {"cg": "CgInfluence",
                  "block-cg": "CgInfluence, solve_simultaneously=True"},
           "W5": {"ekfac": "EkfacInfluence, update_diagonal=True"},
           "W6": {"arnoldi": "ArnoldiInfluence",
                  "arnoldi-woodbury": "ArnoldiInfluence, use_woodbury=True"},
           "W6n": {"nystroem": "NystroemSketchInfluence"},
           "W7": {"lissa": "LissaInfluence"},
           "W7h": {"harmonic": "InverseHarmonicMeanInfluence"},
           "W12": {"harmonic": "InverseHarmonicMeanInfluence",
                   "block-cg": "CgInfluence, solve_simultaneously=True"},}


def fit(problem, method, loader):
    import pydvl.influence.torch as pydvl
    model, loss, settings, damping = (problem.model, problem.loss, problem.settings,
                                      {"regularization": problem.damping})
    if method == "direct":
        influence = pydvl.DirectInfluence(model, loss, **damping)
    elif method in ("cg", "block-cg"):
        # it stops at a residual of rtol² ‖b‖
        tolerance = {"rtol": settings["rtol"]**0.5} if "rtol" in settings else {}
        # what it calls Gauss-Newton is the empirical Fisher
        mode = ({"second_order_mode": pydvl.SecondOrderMode.GAUSS_NEWTON}
                if "mode" in settings else {})
        influence = pydvl.CgInfluence(model, loss, **damping, **tolerance, **mode,
                                      solve_simultaneously=method == "block-cg")
    elif method == "ekfac":
        influence = pydvl.EkfacInfluence(model, update_diagonal=True,
                                         hessian_regularization=problem.damping)
    elif method.startswith("arnoldi"):
        influence = pydvl.ArnoldiInfluence(model, loss, **damping,
                                           rank=settings["rank"], use_woodbury=method
                                           == "arnoldi-woodbury")
    elif method == "nystroem":
        influence = pydvl.NystroemSketchInfluence(model, loss, **damping,
                                                  rank=settings["rank"])
    elif method == "lissa":
        influence = pydvl.LissaInfluence(model, loss, **damping,
                                         maxiter=settings["steps"],
                                         scale=settings["scale"], rtol=0.0,
                                         warn_on_max_iteration=False)
    elif method == "harmonic":
        influence = pydvl.InverseHarmonicMeanInfluence(model, loss, **damping)
    return influence.fit(loader)


def influences(problem, fitted, loader, test_loader):
    return fitted.influences(problem.x_test, problem.y_test, problem.x, problem.y,
                             mode=problem.mode)


def to_reference(problem, scores):
    # Its mode "perturbation" puts the features of x before the parameters are summed:
    # [m, n, d], as ours.
    return scores.detach()
