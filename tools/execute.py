"""Execute notebooks top to bottom, each in a fresh process, two at a time, widgets as
still pictures or as players."""
import argparse
import base64
import html
import io
import multiprocessing
import os
import re
import sys
import time
import traceback
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

import nbformat
from execnb.shell import CaptureShell
from PIL import Image
from PIL.PngImagePlugin import PngInfo

# what `warm.py` writes into a picture
TOLD = ("smallest text", "shown width", "covering legends")
PLAYERS_OF_A_PAGE = 1_200_000  # bytes of pictures that all players of a page share
# outputs that are figures of their own making
MOVABLE = re.compile('<div class="(player|review-tour|explorer-figure)"')
# Two notebooks share two cores; and the last bit of a sum does not hang on where in
# memory an array lies.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MKL_CBWR": "AUTO,STRICT", "PYTHONHASHSEED": "0"}


def smaller(picture):
    """A figure with a palette of 128 colors: a third of the size, and nothing to see of
    it"""
    out, told, before = (io.BytesIO(), PngInfo(),
                         Image.open(io.BytesIO(base64.b64decode(picture))))
    for name in TOLD:
        if name in before.info: told.add_text(name, before.info[name])
    (before.convert("RGB").quantize(128, dither=Image.Dither.NONE)
     .save(out, "png", optimize=True, pnginfo=told))
    return base64.b64encode(out.getvalue()).decode()


def described(html_text, source):
    """A player, or a tour of the review desk, with the description and the caption that
    its cell gives. Raises `ValueError` for a player whose scale changes, and whose
    caption does not say so"""
    options = dict(re.findall(r'^#\|\s*(fig-alt|fig-cap):\s*"?(.*?)"?\s*$', source,
                              re.M))
    html_text = html_text.replace('alt=""',
                                  f'alt="{html.escape(options.get("fig-alt", ""))}"', 1)
    caption = options.get("fig-cap", "")
    if 'data-scales="differ"' in html_text and "scale" not in caption:
        raise ValueError("the axes of a player have not the same limits at all stops: "
                         "give them limits, or say in the caption which scale follows")
    if "fig-cap" not in options: return html_text
    return MOVABLE.sub(
        lambda found: f'{found[0]} data-caption="{html.escape(options["fig-cap"])}"',
        html_text, count=1)


def visible(outputs):
    "The outputs that show something"
    for output in outputs:
        if "text" in output:
            # clears a line, where no front end does
            output["text"] = "".join(output["text"]).replace("\x1b[2K\r", "")
        if "data" in output:
            output["data"] = {kind: "".join(part) if isinstance(part, list) else part
                              for kind, part in output["data"].items()}
        if output["output_type"] == "error" or output.get("text") or output.get("data"):
            yield nbformat.from_dict(output)


def run_cells(notebook, pictures="png"):
    """Run all cells here, as `nbdev_test` does, and keep what they show; `pictures`:
    "retina" for twice the pixels"""
    shell = CaptureShell(mpl_format=pictures, timeout=600)
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "code": continue
        with redirect_stdout(io.StringIO()):
            # what displays itself does so twice
            cell.outputs = list(visible(shell.run(cell.source)))
        if shell.exc:
            raise RuntimeError(f"cell {number}: "
                               + "".join(traceback.format_exception(shell.exc)))


def execute(
    path: Path,  # the notebook
    out: Path,  # where to write it; may be the same
    widgets: str = "static",  # what `explore` shows; "player": a figure for a page
) -> float:  # seconds
    """Run all cells from the notebook's own folder, and keep the outputs. Changes this
    process: the folder and the environment."""
    notebook, out, start = nbformat.read(path, as_version=4), out.resolve(), time.time()
    players = sum(bool(re.search(r"^explore\(", cell.source, re.M))
                  for cell in notebook.cells)
    os.environ |= {"INFLUENCE_NB_WIDGETS": widgets,
                   "INFLUENCE_NB_PLAYER_BYTES": str(
            PLAYERS_OF_A_PAGE // max(players, 1))}
    os.chdir(path.parent)
    sys.path.insert(0, "")
    run_cells(notebook, "retina" if widgets == "player" else "png")
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data: data["image/png"] = smaller(data["image/png"])
            if MOVABLE.search(data.get("text/html", "")):
                data["text/html"] = described(data["text/html"], cell.source)
    notebook.metadata.pop("widgets", None)
    out.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, out)
    return time.time() - start


def attempt(job, widgets):
    "(name, seconds, error) of one notebook and where it goes"
    path, out = job
    try: return path.stem, execute(path, out, widgets), None
    except Exception as error: return path.stem, 0.0, f"{type(error).__name__}: {error}"


def for_readers(path):
    "A notebook without its hidden cells"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells
                      if not re.search(r"^#\|\s*hide\s*$", cell.source, re.M)]
    return notebook


def descriptions(notebook):
    "For each picture, in order, what its cell says for those who cannot see it"
    for cell in notebook.cells:
        told = re.search(r'^#\|\s*fig-alt:\s*"(.*)"\s*$', cell.source, re.M)
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}): yield told[1] if told else ""


def page_of(notebook, name):
    "An HTML page; nbconvert knows of no descriptions, and says so at each picture"
    from nbconvert import HTMLExporter
    page = HTMLExporter().from_notebook_node(notebook, {"metadata": {"name": name}})[0]
    told = descriptions(notebook)
    return re.sub('alt="No description has been provided for this image"',
                  lambda found: f'alt="{html.escape(next(told, ""))}"', page)


def show_text(notebook):
    "Print the headings and the text outputs: the tables of a study"
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            print(*re.findall(r"^#+ .*", cell.source, re.M), sep="\n")
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            text = (output.get("text") or data.get("text/markdown")
                    or ("" if any(k.startswith("image/") for k in data)
                        else data.get("text/plain", "")))
            if text: print(text.rstrip())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, help="folder for the executed notebooks "
                        "(default: in place)")
    parser.add_argument("--show", action="store_true",
                        help="print headings and text outputs")
    parser.add_argument("--html", action="store_true",
                        help="write an HTML page beside each notebook")
    parser.add_argument("--player", action="store_true",
                        help="widgets as players for a page, with pictures for a grid "
                        "of values")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    options = parser.parse_args()
    outs = {path.resolve(): (options.out or path.parent).resolve() / path.name
            for path in options.notebooks}
    # the large ones take long, and nothing should wait for the last
    largest_first = sorted(outs, key=lambda path: -path.stat().st_size)
    import warm  # after a look at the options
    run = partial(attempt, widgets="player" if options.player else "static")
    failed = {}
    with multiprocessing.Pool(options.jobs, maxtasksperchild=1) as pool:
        for name, seconds, error in pool.imap_unordered(run,
                                                        [(path, outs[path])
                                                         for path in largest_first]):
            if error: failed[name] = error
            print(f"{name:<20} {seconds:6.1f} s{' FAILED' if error else ''}",
                  flush=True)
    if failed: sys.exit("\n".join(f"{name}: {error}" for name, error in failed.items()))
    for out in outs.values():
        if options.show: show_text(for_readers(out))
        if options.html: out.with_suffix(".html").write_text(
            page_of(for_readers(out), out.stem), encoding="utf-8")


if __name__ == "__main__":
    # they count from the start of a process
    if any(os.environ.get(name) != value for name, value in ENVIRONMENT.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | ENVIRONMENT)
    main()
