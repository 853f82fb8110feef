"Execute notebooks top to bottom in fresh kernels, two at a time, widgets as still pictures or as players."
import argparse
import base64
import html
import io
import os
import re
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

PLAYERS_OF_A_PAGE = 1_200_000  # bytes of pictures that all players of a page share


def smaller(picture):
    "A figure with a palette of 128 colors: a third of the size, and nothing to see of it"
    out = io.BytesIO()
    Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(out, "png", optimize=True)
    return base64.b64encode(out.getvalue()).decode()


def described(player, source):
    "A player with the description and the caption that its cell gives"
    options = dict(re.findall(r'^#\|\s*(fig-alt|fig-cap):\s*"?(.*?)"?\s*$', source, re.M))
    player = player.replace('alt=""', f'alt="{html.escape(options.get("fig-alt", ""))}"', 1)
    return player.replace('<div class="player"', f'<div class="player" data-caption="{html.escape(options["fig-cap"])}"', 1) if "fig-cap" in options else player


def execute(
    path: Path,  # the notebook
    out: Path,  # where to write it; may be the same
    widgets: str = "static",  # what `explore` shows: "static" a still picture, "player" a figure for a page
) -> float:  # seconds
    "Run all cells from the notebook's own folder, and keep the outputs."
    os.environ["INFLUENCE_NB_WIDGETS"] = widgets
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # two notebooks share two cores
    os.environ |= {"MKL_CBWR": "AUTO,STRICT", "PYTHONHASHSEED": "0"}  # the last bit does not hang on where in memory an array lies
    notebook, start = nbformat.read(path, as_version=4), time.time()
    players = sum(bool(re.search(r"^explore\(", cell.source, re.M)) for cell in notebook.cells)
    os.environ["INFLUENCE_NB_PLAYER_BYTES"] = str(PLAYERS_OF_A_PAGE // max(players, 1))
    NotebookClient(notebook, timeout=600, kernel_name="python3", extra_arguments=["--log-level=ERROR"],
                   resources={"metadata": {"path": str(path.parent)}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data: data["image/png"] = smaller(data["image/png"])
            if 'class="player"' in data.get("text/html", ""): data["text/html"] = described(data["text/html"], cell.source)
    notebook.metadata.pop("widgets", None)
    out.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, out)
    return time.time() - start


def show_text(path):
    "Print the headings and the text outputs: the tables of a study"
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown": print(*re.findall(r"^#+ .*", cell.source, re.M), sep="\n")
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            text = output.get("text") or data.get("text/markdown") or ("" if any(k.startswith("image/") for k in data) else data.get("text/plain", ""))
            if text: print(text.rstrip())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, help="folder for the executed notebooks (default: in place)")
    parser.add_argument("--show", action="store_true", help="print headings and text outputs")
    parser.add_argument("--html", action="store_true", help="write an HTML page beside each notebook")
    parser.add_argument("--player", action="store_true", help="widgets as players for a page, with pictures for a grid of values")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    options = parser.parse_args()
    outs = {path: (options.out or path.parent) / path.name for path in options.notebooks}
    largest_first = sorted(outs, key=lambda path: -path.stat().st_size)  # the large ones take long, and nothing should wait for the last
    with ProcessPoolExecutor(options.jobs) as pool:
        running = {pool.submit(execute, path, outs[path], "player" if options.player else "static"): path for path in largest_first}
        for done in as_completed(running):
            if done.exception():
                pool.shutdown(cancel_futures=True)
                sys.exit(f"{running[done]}: {done.exception()}")
            print(f"{running[done].stem:<20} {done.result():6.1f} s", flush=True)
    for out in outs.values():
        if options.show: show_text(out)
        if options.html:
            from nbconvert import HTMLExporter
            out.with_suffix(".html").write_text(HTMLExporter().from_filename(out)[0], encoding="utf-8")


if __name__ == "__main__": main()
