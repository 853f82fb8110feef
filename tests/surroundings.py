"""The right number, or one clear sentence, whatever surrounds the call: other threads,
a default device, `torch.inference_mode`, `torch.compile`.

Run by `make test`; prints what was tried.
"""
import ast
import sys
import threading
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import influence_nb
from influence_nb import (CgInfluence, DirectInfluence, EkfacInfluence, LissaInfluence,
                          NystroemSketchInfluence, TorchLogisticRegression, check_close,
                          detection_scores, fit_to_optimum, influence_cases,
                          leave_one_out, leave_one_out_loss, relative_error, zoo_case)
from influence_nb.shared_checks import DenseOracle, hard_case

METHODS = {"direct": DirectInfluence, "conjugate gradient": CgInfluence,
           "EKFAC": EkfacInfluence,
           "sampled EKFAC": partial(EkfacInfluence, fisher="sampled"),
           "Nyström": partial(NystroemSketchInfluence, rank=5),
           "LiSSA": LissaInfluence}


class Recurrent(nn.Module):
    "A model that vmap does not take, so that other code answers for it"
    def __init__(self):
        super().__init__()
        self.lstm, self.last = nn.LSTM(1, 2, batch_first=True), nn.Linear(2, 3)

    def forward(self, x): return self.last(self.lstm(x[:, :, None])[0][:, -1])


def network(): return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3))


def hooked():
    "A network with a hook that only watches: it is taken off the copy, once"
    model = network()
    model[0].register_forward_hook(lambda *given: None)
    return model


CASES = {"a network": (network, list(METHODS)),
         "a hooked network": (hooked, ["direct", "EKFAC"]),
         "an LSTM": (Recurrent, ["direct", "EKFAC"])}


def drawn(make):
    torch.manual_seed(0)
    return make().double(), torch.randn(6, 3).double(), torch.randint(0, 3, (6,))


def fitted(model, x, y, method):
    loss = nn.CrossEntropyLoss()
    return METHODS[method](model, loss, hessian_regularization=5.0).fit([(x, y)])


def together(work, count=4):
    """The results of the same work in some threads at once; raises what one of them
    raises"""
    results, start = [None] * count, threading.Barrier(count)
    def one(k):
        start.wait()
        try: results[k] = work(k)
        except Exception as error: results[k] = error
    threads = [threading.Thread(target=one, args=(k,)) for k in range(count)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    for result in results:
        if isinstance(result, Exception): raise result
    return results


def in_threads(make, method):
    "One fitted influence that several ask; several fits of one model; fits of several"
    model, x, y = drawn(make)
    influence = fitted(model, x, y, method)
    yield from (r for _ in range(2)
                for r in together(lambda k: influence.influences(x, y)))
    yield from together(lambda k: fitted(model, x, y, method).influences(x, y), 2)
    cases = [drawn(make) for _ in range(2)]
    yield from together(lambda k: fitted(*cases[k], method).influences(x, y), 2)


def on_a_default_device(make, method):
    "Where tensors are made that do not say where: the data and the model say it"
    for device in ("cpu", "meta"):
        model, x, y = drawn(make)
        torch.set_default_device(device)
        try: found = fitted(model, x, y, method).influences(x, y)
        finally: torch.set_default_device(None)
        assert found.device == x.device, found.device
        yield found


def without_autograd(make, method):
    """A question under inference_mode or no_grad; what was made under it; a fit is
    refused"""
    model, x, y = drawn(make)
    influence = fitted(model, x, y, method)
    for mode in (torch.inference_mode, torch.no_grad):
        with mode(): factors = influence.influence_factors(x, y)
        with mode(): yield influence.influences_from_factors(factors, x, y)
        with mode(): made = drawn(make)
        found = fitted(*made, method)
        with mode(): yield found.influences(*made[1:])
    with torch.no_grad(): yield fitted(model, x, y, method).influences(x, y)
    with torch.inference_mode(): refused("inference_mode", fitted, model, x, y, method)


def compiled(make, method):
    "Compiled as a whole, in place, after a first run; a compiled forward is refused"
    compile = partial(torch.compile, backend="eager")
    model, x, y = drawn(make)
    yield fitted(compile(model), x, y, method).influences(x, y)
    whole = compile(model)
    whole(x)
    yield fitted(whole, x, y, method).influences(x, y)
    model.compile(backend="eager")
    yield fitted(model, x, y, method).influences(x, y)
    model, x, y = drawn(make)
    model.forward = compile(model.forward)
    refused("forward", fitted, model, x, y, method)


def refused(word, call, *arguments):
    try: call(*arguments)
    except ValueError as error: assert word in str(error), error
    else: raise AssertionError(f"not refused: {word}")


def under_autocast():
    "A fit and a question are not asked in half precision"
    model, x, y = drawn(network)
    model, x = model.float(), x.float()
    for method in METHODS:
        expected = fitted(model, x, y, method).influences(x, y)
        with torch.autocast("cpu", torch.bfloat16):
            influence = fitted(model, x, y, method)
            found = influence.influences(x, y)
            again = influence.influences_from_factors(
                influence.influence_factors(x, y), x, y)
        yield f"{method} under autocast", relative_error(found, expected)
        error = relative_error(again, expected)  # in another order: rounding
        yield f"factors of {method} under autocast", error if error > 1e-5 else 0.0


def compiled_by_jit():
    "What torch.jit made of a model has no derivatives to ask for, and is named"
    model, x, y = drawn(network)
    for made in (torch.jit.script(model), torch.jit.trace(model, x)):
        refused("torch.jit", fitted, made, x, y, "direct")


def one_input_by_name():
    "A chain whose one input comes in a dict or in a tuple, as loaders give it"
    model, x, y = drawn(network)
    for method in METHODS:
        expected = fitted(model, x, y, method).influences(x, y)
        for given in ({"input": x}, (x,)):  # as nn.Sequential calls it
            influence = METHODS[method](model, nn.CrossEntropyLoss(),
                                        hessian_regularization=5.0).fit([(given, y)])
            yield f"{method}, one input by name", relative_error(
                influence.influences(given, y), expected)


def random_models():
    "A loss that draws random numbers is no function of θ: with vmap, and by a loop"
    def noisy(outputs, y):
        return nn.functional.cross_entropy(outputs + torch.rand_like(outputs), y)
    for make in (network, Recurrent):
        model, x, y = drawn(make)
        refused("draws random numbers", DirectInfluence(model, noisy, 5.0).fit,
                [(x, y)])


class Watching(nn.Module):
    "Draws random numbers and keeps a mean, to no effect"
    def __init__(self):
        super().__init__()
        self.net, self.mean = network(), 0.0

    def forward(self, x):
        outputs = self.net(x)
        self.mean = 0.5 * self.mean + outputs.mean() + np.random.rand() + torch.rand(())
        return outputs


def numbers_drawn():
    "The random numbers that come next are the same after a fit, from lists and loaders"
    model, x, y = drawn(Watching)
    for method in METHODS:
        expected = fitted(model.net, x, y, method).influences(x, y)
        for data in ([(x, y)], DataLoader(TensorDataset(x, y), batch_size=4)):
            before = torch.get_rng_state(), np.random.get_state()[1:3]
            influence = METHODS[method](model, nn.CrossEntropyLoss(),
                                        hessian_regularization=5.0).fit(data)
            found = influence.influences(x, y)
            after = torch.get_rng_state(), np.random.get_state()[1:3]
            same = torch.equal(before[0], after[0]) and before[1][1] == after[1][1]
            assert same, method
            error = relative_error(found, expected)
            yield f"{method} of a model that leaves traces", error


MAKERS = {"arange", "as_tensor", "empty", "eye", "full", "linspace", "logspace", "ones",
          "rand", "randint", "randn", "randperm", "tensor", "zeros"}


def made_anywhere():
    "Where the library makes a tensor and does not say on which device"
    for path in sorted(Path(influence_nb.__file__).parent.glob("*.py")):
        # a specimen of the zoo is drawn under torch.device("cpu"), and so are the cases
        if path.stem in {"zoo", "shared_checks"}: continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)):
                continue
            owner = node.func.value
            of_torch = isinstance(owner, ast.Name) and owner.id == "torch"
            told = any(k.arg in ("device", None) for k in node.keywords)
            if of_torch and node.func.attr in MAKERS and not told:
                yield f"{path.name}, line {node.lineno}: {ast.unparse(node)}"


def other_answers():
    "What is no influence: name → a function without arguments, to numbers"
    model, x, y = drawn(network)
    loss, logistic = nn.CrossEntropyLoss(), TorchLogisticRegression(2)
    twos, yes = x[:, :2], (y > 0).double()[:, None]
    fit_to_optimum(logistic, nn.BCELoss(), twos, yes, 0.1)
    oracle = DenseOracle(influence_cases()[0])
    def refit():
        fit_to_optimum(logistic, nn.BCELoss(), twos, yes, 0.1)
        return logistic.linear.weight.detach().clone()
    one = nn.BCELoss(), twos, yes
    return {"relative_error": lambda: torch.tensor(relative_error(x, x + 1),
                                                   device="cpu"),
            "check_close": lambda: torch.tensor(check_close([1.0, 2.0], [1.0, 2.0]),
                                                device="cpu"),
            "arrays": lambda: logistic(twos.numpy()).detach(),
            "fit_to_optimum": refit,
            "leave_one_out": lambda: leave_one_out(logistic, *one, twos, yes, [0, 1],
                                                   0.1),
            "leave_one_out_loss": lambda: leave_one_out_loss(logistic, *one, 0.1),
            "detection_scores": lambda: torch.from_numpy(np.stack(list(detection_scores(
                model, loss, x, y, x, y, 5.0, neighbors=2, folds=2).values()))),
            "influence_cases": lambda: influence_cases()[2].train[0],
            "an oracle": lambda: oracle.curvature("hessian"),
            "hard_case": lambda: hard_case(1e4, outlier=True).train[0],
            "zoo_case": lambda: zoo_case("linear regression").train[0]}


def on_the_default_device():
    "The same where a default device is set, for all that is no influence"
    for name, ask in other_answers().items():
        expected = ask()
        torch.set_default_device("meta")
        try: found = ask()
        finally: torch.set_default_device(None)
        yield name, relative_error(found, expected)


def main():
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    started, wrong, tried = time.time(), [], 0
    for name, (make, methods) in CASES.items():
        for method in methods:
            model, x, y = drawn(make)
            expected = fitted(model, x, y, method).influences(x, y)
            for surround in (in_threads, on_a_default_device, without_autograd,
                             compiled):
                what = f"{name}, {method}, {surround.__name__}"
                try:
                    for found in surround(make, method):
                        tried += 1
                        error = relative_error(found, expected)
                        if not error <= 1e-12: wrong.append(f"{what}: {error:.1e}")
                except Exception as error:
                    wrong.append(f"{what}: {type(error).__name__}: {error}")
    for name, error in on_the_default_device():
        tried += 1
        if not error <= 1e-12: wrong.append(f"{name} on a default device: {error:.1e}")
    for name, error in (*under_autocast(), *one_input_by_name(), *numbers_drawn()):
        tried += 1
        if not error <= 1e-12: wrong.append(f"{name}: {error:.1e}")
    random_models()
    compiled_by_jit()
    wrong += made_anywhere()
    for line in wrong: print(line)
    print(f"{tried} answers, {len(wrong)} wrong, in {time.time() - started:.0f} s")
    return not wrong


if __name__ == "__main__": sys.exit(not main())
