"""From a messy table and anybody's model to clean labels: the call a practitioner
makes, on the table of `messy_table`, with every kind of model.

480 rows, three classes named by words, 12% of the names wrong, 20 copies of which six
contradict, gaps, one class rare; right names predictable at 96 to 98%. What must hold is
in BOUNDS. Logistic regression, which costs one fit, is asked of a hundred tables, and of
a hundred where the trees overlap so much that nobody can count: there a warning must
come in place of a number. The other kinds are asked of a few.
"""
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from influence_nb import (coded_labels, duplicate_groups, find_mislabeled,
                          fit_to_optimum, held_out_probabilities, relabeled)
from influence_nb.faults import conflicting, messy_table

NUMBERS = ["length", "width", "lobes", "stalk", "shine", "age"]
TABLES, FEW = 100, 2
# longest list and smallest share found, of the truth; smallest share of the list
LONGEST, RECALL, PRECISION, COVERED = 1.5, 0.8, 0.55, 0.9


def features():
    filled = make_pipeline(SimpleImputer(), StandardScaler())
    return make_column_transformer((filled, NUMBERS), (OneHotEncoder(), ["site"]))


def pipeline(model): return make_pipeline(features(), model)


def forest(): return pipeline(RandomForestClassifier(40, random_state=0))


def by_torch(X, y):
    x = torch.as_tensor(features().fit_transform(X))
    model = torch.nn.Linear(x.shape[1], 3).double()
    fit_to_optimum(model, F.cross_entropy, x, torch.as_tensor(coded_labels(y).codes),
                   0.002)
    return find_mislabeled(model, F.cross_entropy, x, y, progress=False)


def by_network(X, y):
    "Not linear in its parameters: it is counted by probabilities given beside it"
    x = torch.as_tensor(features().fit_transform(X))
    codes = torch.as_tensor(coded_labels(y).codes)
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(x.shape[1], 6), torch.nn.Tanh(),
                                torch.nn.Linear(6, 3)).double()
    fit_to_optimum(model, F.cross_entropy, x, codes, 0.01)
    p = held_out_probabilities(pipeline(LogisticRegression()), X, y,
                               groups=duplicate_groups(X))
    return find_mislabeled(model, F.cross_entropy, x, y, pred_probs=p, progress=False)


def by_probabilities(X, y):
    p = held_out_probabilities(forest(), X, y, groups=duplicate_groups(X))
    return find_mislabeled(None, None, X, y, pred_probs=p)


def logistic(X, y):
    return find_mislabeled(pipeline(LogisticRegression()), None, X, y)


KINDS = {
    "a torch model with its loss": by_torch,
    "a torch network, probabilities beside it": by_network,
    "a pipeline, not fitted": lambda X, y: find_mislabeled(forest(), None, X, y),
    "a pipeline, fitted": lambda X, y: find_mislabeled(
        pipeline(LogisticRegression()).fit(X, y), None, X, y),
    "an MLP": lambda X, y: find_mislabeled(pipeline(
        MLPClassifier((8,), alpha=1.0, solver="lbfgs", max_iter=300,
                      random_state=0)), None, X, y),
    "probabilities from elsewhere": by_probabilities,
}


def nine_lines():
    "The whole way, as it stands in the manual"
    X, given, truth = messy_table(1)
    suspects = find_mislabeled(pipeline(LogisticRegression()), None, X, given)
    answers = {row: truth.iloc[row] for row in suspects.suggested}  # a person's, in life
    clean = relabeled(given, answers)
    assert clean.index.equals(given.index) and clean.name == given.name
    assert (clean != truth).sum() <= 0.2 * (given != truth).sum()


def measured(judge, seed, distance=4.6):
    "What one call says, and what is true"
    X, given, truth = messy_table(seed, distance)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        suspects = judge(X, given)
    wrong, count = (given != truth).to_numpy(), suspects.wrong
    listed, clash = wrong[suspects.suggested], conflicting(suspects.groups, given)
    return {"trusted": count.trusted, "covered": count.low <= wrong.sum() <= count.high,
            "warned": any("cannot be told" in str(w.message) for w in caught),
            "length": len(listed) / wrong.sum(), "precision": listed.mean(),
            "recall": listed.sum() / wrong.sum(), "clash": clash.sum() >= 12 and bool(
                clash[suspects.order[:clash.sum()]].all()),
            "right": (suspects.guess == truth.to_numpy()).mean(),
            "words": set(suspects.given) == set(truth) and bool(
                (suspects.ids == given.index).all()),
            "why": suspects.why[suspects.order[0]].startswith("conflicts with")}


def failures(name, runs):
    "What does not hold, in words"
    def every(key): return np.array([run[key] for run in runs])
    checks = {
        f"list of {every('length').max():.2f} times the truth":
            every("length").max() <= LONGEST,
        f"recall {every('recall').min():.2f}": every("recall").min() >= RECALL,
        f"precision {every('precision').min():.2f}":
            every("precision").min() >= PRECISION,
        f"interval holds the truth in {every('covered').sum()} of {len(runs)}":
            every("covered").mean() >= COVERED,
        "conflicting copies on top": every("clash").all(),
        "words, ids and reasons": every("words").all() and every("why").all(),
        f"counted in {every('trusted').sum()} of {len(runs)}": every("trusted").all(),
        "no false alarm": not every("warned").any()}
    print(f"{name}: {len(runs)} tables, " + ", ".join(checks))
    return [f"{name}: {what}" for what, holds in checks.items() if not holds]


def main():
    nine_lines()
    problems = failures("logistic regression",
                        [measured(logistic, seed) for seed in range(TABLES)])
    for name, judge in KINDS.items():
        problems += failures(name, [measured(judge, seed) for seed in range(FEW)])
    hard = [measured(logistic, seed, 2.4) for seed in range(TABLES)]
    below = [run for run in hard if run["right"] < 0.85]
    told = sum(run["warned"] and not run["trusted"] for run in below)
    print(f"right names predicted in fewer than 85%: a warning in {told} of {len(below)}")
    if told < len(below) or len(below) < 50: problems.append("a warning is missing")
    print("; ".join(problems) or "ok")
    sys.exit(bool(problems))


if __name__ == "__main__": main()
