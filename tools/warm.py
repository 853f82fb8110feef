"""What processes that run notebooks share: loaded once, before they part.

Importing it also keeps pyplot from drawing every figure twice more: after each cell
(showing a figure draws it anyway), and to find a margin to cut off, which figures with
a constrained layout do not have. That was a third of a chapter's time.
"""
import anywidget
import IPython.display
import ipywidgets
import matplotlib.pyplot as plt
import pandas
import sklearn.datasets
import torch._dynamo
from matplotlib_inline.config import InlineBackend

plt._draw_all_if_interactive = lambda: None
InlineBackend.print_figure_kwargs.default_args = ({"bbox_inches": None},)
