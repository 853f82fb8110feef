"""kronfluence: EKFAC with sampled labels, its only inverse, through its Analyzer;
factors and scores pass through files."""
import copy
import shutil
import tempfile

import torch

DISTRIBUTION = "kronfluence"
METHODS = {"W5": {"ekfac": "Analyzer, strategy ekfac"}}


def fit(problem, method, loader):
    from kronfluence.analyzer import Analyzer, prepare_model
    from kronfluence.arguments import FactorArguments
    from kronfluence.task import Task

    class Classification(Task):
        def compute_train_loss(self, batch, model, sample=False):
            x, y = batch
            logits = model(x)
            if sample:
                with torch.no_grad():
                    y = torch.multinomial(torch.softmax(logits.detach(), 1),
                                          1).flatten()
            return torch.nn.functional.cross_entropy(logits, y, reduction="sum")

        def compute_measurement(self, batch, model):
            return self.compute_train_loss(batch, model)

    torch.manual_seed(0)
    # it wraps the layers in place
    network, task = copy.deepcopy(problem.model), Classification()
    folder = tempfile.mkdtemp()
    analyzer = Analyzer("digits", prepare_model(network, task), task, cpu=True,
                        disable_tqdm=True, output_dir=folder)
    analyzer.fit_all_factors("factors", loader.dataset,
                             per_device_batch_size=loader.batch_size,
                             factor_args=FactorArguments(strategy="ekfac"),
                             overwrite_output_dir=True)
    return analyzer, folder


def influences(problem, fitted, loader, test_loader):
    from kronfluence.arguments import ScoreArguments
    analyzer, folder = fitted
    analyzer.compute_pairwise_scores("scores", "factors",
                                     query_dataset=test_loader.dataset,
                                     train_dataset=loader.dataset,
                                     per_device_query_batch_size=len(problem.x_test),
                                     per_device_train_batch_size=loader.batch_size,
                                     score_args=ScoreArguments(
            damping_factor=problem.damping), overwrite_output_dir=True)
    scores = analyzer.load_pairwise_scores("scores")["all_modules"]
    shutil.rmtree(folder)
    return scores


def to_reference(problem, scores):
    return scores.detach()
