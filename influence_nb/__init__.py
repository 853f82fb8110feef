"Influence functions in PyTorch: gradients, curvature, inverse. Made from the notebooks in `nbs/`."
__version__ = "0.1.0"

from .checks import check_close, relative_error
from .data import (bayes_error, bayes_flip_probability, bayes_posterior,
                   decision_boundary_fixed_variance_2d, flip_labels, plot_blobs,
                   plot_gaussian_blobs, sample_gaussian_blobs,
                   synthetic_classification_dataset)
from .objective import Batches, Inputs, LossOfParameters, check_mean, plain_loss
from .training import (ConvergenceWarning, Losses, Optimum, TorchLogisticRegression,
                       TorchMLP, fit_to_optimum, fit_torch_model, plot_confusion_matrix,
                       plot_losses)
from .gradients import (LayerPass, flat_gradients, layer_pass, layer_products,
                        linear_layers, mixed_gradients, output_gradients,
                        per_sample_gradients, progress_bars)
from .curvature import Curvature, plain_forms
from .influence import (DirectInfluence, Influence, NotFittedError,
                        SingularHessianError, deletion_changes, plot_influences,
                        sandwich_covariance)
from .retraining import (leave_one_out, leave_one_out_loss, leave_one_out_parameters,
                         losses_at, newton_step_parameters)
from .damping import effective_dimension
from .choosing import (RegularizationChoice, choose_regularization, held_out_losses,
                       implied_penalty, training_run_penalty)
from .cg import (BlockCgInfluence, CgInfluence, CgResult, NegativeCurvatureError,
                 block_conjugate_gradient, conjugate_gradient, plain_conjugate_gradient)
from .lissa import (DivergenceError, LissaInfluence, NeumannResult, largest_eigenvalue,
                    neumann_series, plain_neumann_series, stochastic_series)
from .lowrank import (ArnoldiInfluence, ArnoldiInverse, LowRankInverse, NystroemInverse,
                      NystroemSketchInfluence, arnoldi, nystroem_matrix)
from .pushthrough import PushThroughInfluence, PushThroughInverse, push_through
from .ekfac import EkfacInfluence, EkfacInverse
from .harmonic import InverseHarmonicMeanInfluence, harmonic_mean
from .preconditioning import (EkfacPreconditioner, JacobiPreconditioner,
                              NystroemPreconditioner, gauss_newton_diagonal,
                              preconditioned_neumann)
from .error_bars import Bounds, ErrorBars, sampling_errors
# the workshop: fast twins of plain functions
from . import loss_hessian, products, kronecker
from .streaming import (MostInfluential, influence_blocks, mean_influences,
                        most_influential, streamed_self_influences, streaming_cost,
                        write_influences)
from .scaling import FitCost, fitting_cost
from .saving import load_influence, save_influence
from .cluster import ClusterInfluence
from .compare import (DatamodelingScore, linear_datamodeling_score,
                      losses_after_training, rank_correlation, subset_masks)
from .detectors import (area_under_curve, average_precision, detection_curve,
                        detection_scores, mean_influence, plot_detection)
from .repair import predicted_repair_change, repair_labels
from .digits import gauss_newton_leave_one_out_loss, knn_shapley, output_derivatives
from .perturbation import Attack, attack_training_set, training_input_gradients
from .smallest_change import (Decision, ListAgreement, RemovalCurve, SmallestChange,
                              TopStability, TwoModels, group_parameters,
                              least_squares_bound, method_agreement, removal_curve,
                              smallest_change, sum_of_losses, top_k_stability)
from .suspects import Suspects, find_mislabeled, plot_suspects
from .decisions import (Agreement, Consensus, Review, ReviewFileError, agreement,
                        consensus, data_fingerprint, decision_table, next_undecided)
from .review import Evidence, review_labels, strongest_influences
from .faults import (Fault, Faults, duplicate_groups, messy_table, row_names,
                     table_faults)
from .tables import (WrongCount, coded_labels, confident_joint, count_wrong,
                     estimator_twin, held_out_probabilities,
                     leave_one_out_outputs, rank_table, relabeled)
from .exchange import (ReadLabels, from_argilla, from_cleanlab, from_csv,
                       from_label_studio, label_studio_config, to_argilla,
                       to_cleanlab, to_label_studio)
from .failures import proximal_bregman_response, train_copies
from .tracin import tracin
from .source import SourceInfluence
from .krylov import MinresResult, SpectralDensity, minres, spectral_density
from .unrolled import TrainingRun, UnrolledInfluence, metasmoothness
from .widgets import Choice, Slider, Toggle, explore
from .explorer import NoOptimumError, influence_explorer, plot_explorer
from .shared_checks import check_influence_class, influence_cases, influence_report
from .zoo import check_zoo, zoo_case, zoo_report
from .experiments import Cost, code_of, made_by, made_with, measure_cost, stored
from .exercises import Exercise
from .claims import Claim, all_claims, claim, holm
from .arguments import guard as _guard
from .prompt import comments_in_help

comments_in_help(__name__)  # what stands beside a parameter is what `help` shows
_guard(globals())  # arguments are looked at where people come in


def __getattr__(name):
    "The class of the widget needs anywidget, and is made when somebody asks for it."
    if name == "InfluenceExplorer":
        from .explorer import _widget_class
        return _widget_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
