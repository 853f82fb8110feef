"Execute notebooks top to bottom in fresh kernels, widgets as still pictures."
import argparse
import base64
import io
import os
import re
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image


def smaller(picture):
    "A figure with a palette of 128 colors: a third of the size, and nothing to see of it"
    out = io.BytesIO()
    Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(out, "png", optimize=True)
    return base64.b64encode(out.getvalue()).decode()


def execute(
    path: Path,  # the notebook
    out: Path,  # where to write it; may be the same
) -> float:  # seconds
    "Run all cells from the notebook's own folder, and keep the outputs."
    os.environ["INFLUENCE_NB_WIDGETS"] = "static"
    notebook, start = nbformat.read(path, as_version=4), time.time()
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}): output["data"]["image/png"] = smaller(output["data"]["image/png"])
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
    options = parser.parse_args()
    for path in options.notebooks:
        out = (options.out or path.parent) / path.name
        seconds = execute(path, out)
        if options.show: show_text(out)
        if options.html:
            from nbconvert import HTMLExporter
            out.with_suffix(".html").write_text(HTMLExporter().from_filename(out)[0], encoding="utf-8")
        print(f"{path.stem:<20} {seconds:6.1f} s", flush=True)


if __name__ == "__main__": main()
