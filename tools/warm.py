"""What processes that run notebooks share: loaded once, before they part.

Every picture also tells how wide a page shows it, how large its smallest text is, as
a part of that width, so that the size at which a page shows it can be measured, and how
many of its legends lie on a curve or a point.

`nbdev_test` draws no picture that only a reader would look at: `make test` draws each
of them once, when it builds the site.

Importing it also keeps pyplot from drawing every figure twice more: after each cell
(showing a figure draws it anyway), and to find a margin to cut off, which figures with
a constrained layout do not have. That was a third of a chapter's time.
"""
import io
import os
import struct
import zlib

import anywidget
import IPython.core.pylabtools
import IPython.display
import ipywidgets
import matplotlib.backend_bases
import matplotlib.pyplot as plt
import matplotlib.text
import pandas
import sklearn.datasets
import torch._dynamo
from matplotlib.collections import PathCollection
from matplotlib.transforms import Bbox
from matplotlib_inline.config import InlineBackend

plain_print_figure = matplotlib.backend_bases.FigureCanvasBase.print_figure
shown_figure = IPython.core.pylabtools.print_figure


def figure_for_a_reader(*arguments, **options):
    "IPython's own picture of a cell; none under `nbdev_test`, where nobody looks"
    if "IN_TEST" not in os.environ: return shown_figure(*arguments, **options)


def chunk(name, text):
    "A text in a PNG file, as bytes"
    body = b"tEXt" + f"{name}\0{text}".encode("latin-1")
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def legend_covers(axes):
    "Whether the legend of some axes lies on a curve or a point in them"
    legend = axes.get_legend()
    box = legend and Bbox.intersection(legend.get_window_extent(), axes.bbox)
    if box is None: return False
    drawn = [line for line in axes.lines if line.get_visible()]
    paths = [(line.get_transform().transform_path(line.get_path()),
              line.get_linestyle()) for line in drawn]
    dots = [path.vertices for path, style in paths if style in ("None", " ", "")]
    dots += [marks.get_offset_transform().transform(marks.get_offsets())
             for marks in axes.collections if isinstance(marks, PathCollection)]
    return (any(box.count_contains(places) for places in dots if len(places))
            or any(path.cleaned(remove_nans=True).intersects_bbox(box, filled=False)
                   for path, style in paths if style not in ("None", " ", "")))


def covering_legends(figure, dpi):
    "How many legends cover something, in a figure drawn at this resolution"
    before, figure.dpi = figure.dpi, dpi
    try: return sum(map(legend_covers, figure.axes))
    finally: figure.dpi = before


def print_figure(canvas, filename, *arguments, format=None, **options):
    "Matplotlib's own; a PNG in memory also tells of itself, once it is drawn"
    plain_print_figure(canvas, filename, *arguments, format=format, **options)
    texts = [text.get_fontsize() for text in canvas.figure.findobj(matplotlib.text.Text)
             if text.get_visible() and text.get_text().strip()]
    if not texts or format != "png" or not isinstance(filename, io.BytesIO): return
    part = min(texts) / 72 / canvas.figure.get_figwidth()
    # px of the page, whatever the dpi
    width = round(100 * canvas.figure.get_figwidth())
    dpi = options.get("dpi")
    covering = covering_legends(canvas.figure, dpi if isinstance(dpi, (int, float))
                                else canvas.figure.dpi)
    chunks = (chunk("smallest text", f"{part:.5f}") + chunk("shown width", str(width))
              + chunk("covering legends", str(covering)))
    picture = filename.getvalue()
    filename.seek(0)
    filename.write(picture[:33] + chunks + picture[33:])  # after the header


matplotlib.backend_bases.FigureCanvasBase.print_figure = print_figure
IPython.core.pylabtools.print_figure = figure_for_a_reader
plt._draw_all_if_interactive = lambda: None
InlineBackend.print_figure_kwargs.default_args = ({"bbox_inches": None},)
