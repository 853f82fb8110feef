"""Build the site into _docs/: execute every notebook fresh in a copy, then render the copy.

Quarto renders where it is on the path. Otherwise smalldocs does, and this script mends what a page needs to stand alone:
formulas typeset by a KaTeX that lies beside the page, no fonts or scripts from elsewhere, tables that scroll by themselves.
"""
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD, SITE = ROOT / "_build", ROOT / "_docs"
KATEX_WHEEL = "djangocms-katex==1.0.2"  # a wheel that carries the files of KaTeX 0.16.40, fonts included
KATEX_FILES = "djangocms_katex/static/djangocms_katex/vendor/katex/"


def run(*command, cwd=BUILD):
    subprocess.run([str(part) for part in command], cwd=cwd, check=True)


def copy_and_execute():
    "The notebooks of the copy get fresh outputs; those of the project stay as they are"
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir()
    for name in ("settings.ini", "_quarto.yml"): shutil.copy(ROOT / name, BUILD)
    shutil.copytree(ROOT / "influence_nb", BUILD / "influence_nb", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "nbs", BUILD / "nbs", symlinks=True, ignore=shutil.ignore_patterns(".ipynb_checkpoints", "images"))
    run(sys.executable, ROOT / "tools/execute.py", *sorted((BUILD / "nbs").glob("*.ipynb")), cwd=ROOT)
    results = ROOT / "benchmarks/results.md"
    if results.exists(): shutil.copy(results, BUILD / "nbs/97_benchmarks.md")


def katex(target):
    "KaTeX's script, style and fonts, for pages that are read without a network"
    wheels = ROOT / ".venv/katex"
    if not list(wheels.glob("*.whl")): run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", wheels, KATEX_WHEEL, cwd=ROOT)
    keep = re.compile(r"(LICENSE|katex\.min\.(js|css)|contrib/auto-render\.min\.js|fonts/.*\.woff2)$")
    with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
        for name in wheel.namelist():
            if name.startswith(KATEX_FILES) and keep.search(name):
                path = target / name.removeprefix(KATEX_FILES)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(wheel.read(name))


def mend_pages(site):
    "What smalldocs leaves to the network or to chance"
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        style.write_text(re.sub(r"@import\s+url\([^)]*fonts\.googleapis[^)]*\)[^;]*;", "", text), encoding="utf-8")
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        depth = "../" * (len(page.relative_to(site).parts) - 1)
        text = re.sub(r"https://cdn\.jsdelivr\.net/npm/katex@[\d.]+/dist", f"{depth}site_libs/katex", text)
        text = re.sub(r"(<table\b.*?</table>)", r'<div class="table-scroll" tabindex="0" role="region" aria-label="table">\1</div>', text, flags=re.S)
        text = text.replace('<pre', '<pre tabindex="0"')
        page.write_text(text, encoding="utf-8")


def main():
    run(ROOT / ".venv/bin/nbdev_export" if (ROOT / ".venv/bin/nbdev_export").exists() else "nbdev_export", cwd=ROOT)
    copy_and_execute()
    if shutil.which("quarto"):
        run(Path(sys.executable).parent / "nbdev_docs")
    else:
        run(sys.executable, "-c", "from nbdev.serve import proc_nbs; proc_nbs(n_workers=2)")
        run(Path(sys.executable).parent / "smalldocs", "render", "--quiet", "_proc")
        if not (BUILD / "_docs").exists(): shutil.move(BUILD / "_proc/_docs", BUILD / "_docs")
        katex(BUILD / "_docs/site_libs/katex")
        mend_pages(BUILD / "_docs")
    shutil.rmtree(SITE, ignore_errors=True)
    shutil.move(BUILD / "_docs", SITE)
    print(f"{len(list(SITE.glob('*.html')))} pages in {os.path.relpath(SITE)}/")


if __name__ == "__main__": main()
