"Make README.md from nbs/index.ipynb; with --check, fail if it is out of date."
import base64
import re
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
# sections that need a kernel, or a quiet hour
ONLY_IN_THE_BOOK = ("Move it", "What breaks it", "Exercise")
OPTION = r"^#\|\s*{}\s*:?\s*(.*)$"


def option(source, name):
    found = re.search(OPTION.format(name), source, re.M)
    return found and found.group(1).strip().strip('"')


def render() -> tuple:  # (the text, {picture file: bytes})
    """Prose, shown code (not what is folded, or `echo: false`), outputs and pictures;
    some sections are only in the book."""
    parts, pictures, skipping = ["<!-- Made from nbs/index.ipynb by `make notebooks`: "
                                 "edit that. -->"], {}, False
    for cell in nbformat.read(ROOT / "nbs/index.ipynb", as_version=4).cells:
        source = cell.source
        heading = (re.match(r"^#+ (.*)", source) if cell.cell_type == "markdown"
                   else None)
        if heading: skipping = heading.group(1).startswith(ONLY_IN_THE_BOOK)
        if skipping: continue
        if cell.cell_type == "markdown":
            parts.append(re.sub(r"\]\((\w+\.ipynb)", r"](nbs/\1", source))
            continue
        if re.search(r"^#\|\s*hide", source, re.M): continue
        folded = re.search(r"^#\|\s*code-fold", source, re.M)
        images = [o.data["image/png"] for o in cell.outputs
                  if "image/png" in o.get("data", {})]
        if not folded and option(source, "echo") != "false":
            parts.append("```python\n" + re.sub(r"^#\|.*\n", "", source, flags=re.M)
                         .strip() + "\n```")
        for image in images:
            name = f"nbs/images/{option(source, 'label')}.png"
            pictures[name] = base64.b64decode(image)
            described = f"![{option(source, 'fig-alt')}]({name})"
            parts.append(f"{described}\n\n*{option(source, 'fig-cap')}*")
        texts = [o.data["text/plain"] for o in cell.outputs if "data" in o
                 and "image/png" not in o.data and "text/markdown" not in o.data]
        parts += ["```\n" + text + "\n```" for text in texts]
    return "\n\n".join(parts) + "\n", pictures


def main():
    text, pictures = render()
    files = {"README.md": text.encode(), **pictures}
    if "--check" in sys.argv:
        # pixels may differ between machines, words may not
        if (ROOT / "README.md").read_bytes() != files["README.md"]:
            sys.exit("README.md is not what nbs/index.ipynb says: run `make notebooks`")
        missing = [name for name in pictures if not (ROOT / name).exists()]
        if missing: sys.exit(f"missing pictures: {missing}: run `make notebooks`")
        return
    for name, data in files.items():
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_bytes(data)


if __name__ == "__main__": main()
