"""influence_nb, as its chapters show it."""
DISTRIBUTION = "influence_nb"
METHODS = {"W1": {"direct": "DirectInfluence"}, "W1cg": {"cg": "CgInfluence"},
           "W2": {"direct": "DirectInfluence"}, "W3": {"direct": "DirectInfluence"},
           "W4": {"cg": "CgInfluence", "pcg": "CgInfluence, NystroemPreconditioner",
                  "block-cg": "BlockCgInfluence",
                  "block-cg-single": "BlockCgInfluence, mixed_precision=True"},
           "W5": {"ekfac": "EkfacInfluence"}, "W6": {"arnoldi": "ArnoldiInfluence"},
           "W6n": {"nystroem": "NystroemSketchInfluence"},
           "W7": {"lissa": "LissaInfluence"},
           "W7h": {"harmonic": "InverseHarmonicMeanInfluence"},
           "W12": {"push-through": "PushThroughInfluence",
                   "harmonic": "InverseHarmonicMeanInfluence", "cg": "CgInfluence",
                   "block-cg": "BlockCgInfluence"},}


def fit(problem, method, loader):
    import influence_nb as nb
    settings = problem.settings
    common = (problem.model, problem.loss, problem.damping)
    mode = {"second_order_mode": settings["mode"]} if "mode" in settings else {}
    if method == "direct":
        influence = nb.DirectInfluence(*common)
    elif method == "cg":
        influence = nb.CgInfluence(*common,
                                   **({"rtol": settings["rtol"]} if "rtol" in settings
                                      else {}), **mode)
    elif method == "pcg":
        sketch = nb.NystroemPreconditioner(100, second_order_mode="gauss_newton")
        influence = nb.CgInfluence(*common, rtol=settings["rtol"],
                                   preconditioner=sketch)
    elif method.startswith("block-cg"):
        influence = nb.BlockCgInfluence(*common, rtol=settings["rtol"], **mode,
                                        mixed_precision=method.endswith("single"))
    elif method == "push-through":
        influence = nb.PushThroughInfluence(*common, **mode)
    elif method == "arnoldi":
        influence = nb.ArnoldiInfluence(*common, rank=settings["rank"])
    elif method == "nystroem":
        influence = nb.NystroemSketchInfluence(*common, rank=settings["rank"])
    elif method == "lissa":
        influence = nb.LissaInfluence(*common, maxiter=settings["steps"])
    elif method == "harmonic":
        influence = nb.InverseHarmonicMeanInfluence(
            *common, second_order_mode="empirical_fisher")
    elif method == "ekfac":
        influence = nb.EkfacInfluence(*common)
    return influence.fit(loader)


def influences(problem, fitted, loader, test_loader):
    return fitted.influences(problem.x_test, problem.y_test, problem.x, problem.y,
                             mode=problem.mode)


def to_reference(problem, scores):
    return scores.detach()
