"""What processes that run notebooks share: loaded once, before they part.

Importing it also keeps pyplot from drawing every figure once more after each cell: showing a figure draws it anyway, and
that is a fifth of a chapter's time.
"""
import anywidget
import IPython.display
import ipywidgets
import matplotlib.pyplot as plt
import sklearn.datasets
import torch._dynamo

plt._draw_all_if_interactive = lambda: None
