"""The review desk under accidents: killed, interrupted, two at once, a full disk, and
names that are HTML.

Nothing that was shown as saved may be lost, nothing may be decided about a card that
was not shown, and no text may become an element. Processes are forked, so that twenty
of them take seconds.
"""
import ast
import asyncio
import os
import random
import resource
import signal
import sys
import tempfile
import time
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from influence_nb.cards import Cards, samples_of
from influence_nb.decisions import DecisionReader, Review, ReviewFileError
from influence_nb.desk import ReviewDesk, tour_html
from influence_nb.review import Evidence
from influence_nb.suspects import Suspects

N = 400
X, Y = np.arange(float(N))[:, None], np.zeros(N, dtype=int)


def opened(path): return Review(X, Y, -np.arange(N), classes=[0, 1], path=path, limit=N)
def saved(path): return DecisionReader(opened(None).data, path).log
def left_beside(path): return sorted(set(os.listdir(path.parent)) - {path.name})


@contextmanager
def forked(work):
    "(process, file to read) of a child that does this work with a file to write"
    read, write = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(read)
        with os.fdopen(write, "w") as out:
            try: work(out)
            except BaseException as error: print("failed", repr(error), file=out)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as lines:
        try: yield process, lines
        finally:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


def say(out, *words): print(*words, file=out, flush=True)


def decide_some(path, points):
    "Work: decide, and say each point only when it was saved; wait where another writes"
    def work(out):
        review = opened(path)
        for i in points:
            while True:
                try: review.decide(i, "relabel", 1); break
                except ReviewFileError: time.sleep(0.002)
            say(out, i)
    return work


def killed(folder):
    "Twenty processes, each killed in the middle of its decisions"
    path, chance, shown = folder / "killed.json", random.Random(0), set()
    for turn in range(20):
        with forked(decide_some(path, range(turn * 20, turn * 20 + 20))) as (process, lines):
            for _ in range(chance.randrange(1, 15)): shown.add(int(lines.readline()))
            time.sleep(chance.random() * 0.003)
            os.kill(process, signal.SIGKILL)
            shown |= {int(line) for line in lines.read().split()}
    log = saved(path)
    lost = shown - {point for point, *_ in log}
    assert not lost, f"shown as saved, and lost: {lost}"
    assert len(log) - len(shown) <= 20, "more than one decision a kill was not shown"
    opened(path).decide(0, "keep")  # the lock is free
    assert left_beside(path) == [], left_beside(path)


def interrupted(folder):
    "A hundred interrupts, wherever they strike"
    path, chance, shown, hits = folder / "interrupted.json", random.Random(1), [], 0
    def strike(*_): raise KeyboardInterrupt
    before = signal.signal(signal.SIGALRM, strike)
    review, point = opened(path), 0
    while hits < 100:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0002 + chance.random() * 0.002)
            while True:
                review.decide(point % N, "relabel", 1)
                shown.append(point % N)
                point += 1
        except KeyboardInterrupt: hits += 1
        finally: signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    review.decide(0, "keep")  # nothing is refused afterwards
    log = saved(path)
    assert log == review.log and log[-1] == (0, "keep", None)
    points = iter(point for point, *_ in log)
    assert all(any(point == other for other in points) for point in shown), (
        "a decision that returned is not in the file, in its order")
    assert len(log) - len(shown) <= 101
    del review
    opened(path)  # sweeps up what an interrupt left
    assert left_beside(path) == [], left_beside(path)


def two_at_once(folder):
    "Two desks on one file: all that either showed as saved is there"
    path = folder / "two.json"
    with (forked(decide_some(path, range(0, 100))) as (_, one),
          forked(decide_some(path, range(100, 200))) as (_, other)):
        shown = [int(line) for lines in (one, other) for line in lines.read().split()]
    assert sorted(shown) == list(range(200)), len(shown)
    assert sorted(point for point, *_ in saved(path)) == shown == sorted(shown)


def second_reads(folder):
    "A second desk reads along, says so, and takes over when the first one is killed"
    path = folder / "second.json"
    def hold(out):
        review = opened(path)
        review.decide(7, "keep")
        say(out, "holds")
        time.sleep(600)
    with forked(hold) as (process, lines):
        assert lines.readline() == "holds\n"
        desk = ReviewDesk(Cards(opened(path), samples_of(X, Y)))
        assert desk.review.decisions == {7: ("keep", None)}
        words = f"Read only: second.json is being written by process {process}"
        assert words in desk.status.value, desk.status.value
        desk.press("k")
        assert "Not saved" in desk.status.value and len(saved(path)) == 1
    desk.press("k")
    assert "Read only" not in desk.status.value
    assert len(saved(path)) == 2, desk.status.value


def full_disk(folder):
    "A disk that takes no more: said, and the file is as it was"
    path = folder / "full.json"
    def fill(out):
        desk = ReviewDesk(Cards(opened(path), samples_of(X, Y)))
        resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700))
        for _ in range(N):
            desk.press("k")
            if "Not saved" in desk.status.value: break
        say(out, len(desk.review.log), "Not saved" in desk.status.value)
    with forked(fill) as (_, lines): count, said = lines.readline().split()
    assert said == "True" and 0 < int(count) < N
    assert len(saved(path)) == int(count)
    assert not [name for name in left_beside(path) if name.endswith(".tmp")]


HOSTILE = ['<img src=x onerror="window.top.pwned=1">', "</b><script>alert(2)</script>",
           "a' b\" &lt;", "\"><svg onload=alert(3)>", "</script><iframe src=x>"]
ALLOWED = {"div", "b", "figure", "figcaption", "span", "button", "br", "img", "label",
           "progress", "p", "code", "table", "thead", "tbody", "tr", "th", "td"}


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), ""
        self.feed(text)
    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}
    def handle_data(self, data): self.text += data


def harmless(text, also=()):
    read = Tags(text)
    assert read.tags <= ALLOWED | set(also), read.tags - ALLOWED
    assert not [name for name in read.attributes if name.startswith("on")], text
    return read.text


class Fails:
    "A picture that cannot be drawn"
    def save(self, buffer, i): raise RuntimeError(HOSTILE[0])


def hostile_cards(folder, kind, **options):
    "Eight suspects whose every name is HTML, as texts, as a table, or undrawable"
    import pandas as pd
    y = np.array([HOSTILE[k % 4] for k in range(8)])
    texts = [f"{k}: {HOSTILE[k % 5]}" for k in range(8)]
    frame = pd.DataFrame({HOSTILE[0]: np.arange(8.0), HOSTILE[1]: texts})
    x, draw = {"texts": (texts, None), "table": (frame, None),
               "undrawable": (texts, Fails())}[kind]
    scores = -np.arange(8.0)
    suspects = Suspects(np.arange(8), scores, y, np.array([HOSTILE[4]] * 8),
                        np.full(8, 0.9), HOSTILE[0])
    near = np.array([[j for j in range(8) if j != i][:3] for i in range(8)])
    evidence = Evidence(near, np.ones((8, 3)), near, -np.ones((8, 3)))
    units = {HOSTILE[0]: HOSTILE[2]} if kind == "table" else None
    path = folder / f"{kind} {HOSTILE[0]}.json".replace("/", "")
    review = Review(x, y, suspects, classes=HOSTILE, path=path)
    return Cards(review, samples_of(x, y, draw=draw, units=units), suspects, evidence,
                 names=(HOSTILE * 2)[:8], reasons=(HOSTILE * 2)[2:], **options)


def hostile_names(folder):
    "Whatever a person does, the kernel sends no element that came out of a name"
    for kind in ("texts", "table", "undrawable"):
        cards = hostile_cards(folder, kind, copies=[0, 1, 2, 3, 4, 5, 6, 0])
        harmless(tour_html(cards), also=["script"])
        desk = ReviewDesk(cards)
        for key in ("u", "r", "choose", "4", "k", "g", "r", "z", "ArrowLeft", "u", "g"):
            desk.press(key)
            text = "".join(harmless(part.value)
                           for part in (desk.header, desk.card, desk.status))
        assert "score" in text and ".json" in text
        for view in desk.view.options[1:]:
            desk.view.value = view
            assert view in harmless(desk.status.value), view
        cards.review.path.write_text(HOSTILE[0])
        desk.press("k")
        assert "is damaged" in harmless(desk.status.value), desk.status.value
        plain = {type(w).__name__ for w in (*desk.buttons.values(), desk.choice)}
        assert plain == {"Button", "Dropdown"}
        assert desk.choice.description_allow_html is False
        assert repr(cards.review).startswith(f"{len(cards.review.decisions)} of 8")


def one_door():
    "No function but `element` writes a tag: constants that do are named here"
    known = {"element", "_KEYS_JS", "_TOUR_JS"}
    for module in ("cards", "review", "decisions"):
        tree = ast.parse((ROOT / f"influence_nb/{module}.py").read_text())
        for part in tree.body:
            name = getattr(part, "name", None) or ast.unparse(part).split(" ")[0]
            texts = [node.value for node in ast.walk(part)
                     if isinstance(node, ast.Constant) and isinstance(node.value, str)]
            tags = [text for text in texts if "<" in text and "script>" not in text]
            assert not tags or name in known, f"{module}.{name} writes {tags}"


def many():
    "50,000 suspects: processor seconds to open, and for a step (shown, not judged)"
    x, y = np.random.RandomState(0).rand(50_000, 20), np.arange(50_000) % 3
    start = time.process_time()
    review = Review(x, y, np.arange(50_000.0), limit=50_000)
    desk = ReviewDesk(Cards(review, samples_of(x, y)))
    open_time, start = time.process_time() - start, time.process_time()
    for _ in range(10): desk.press("u")
    step = (time.process_time() - start) / 10
    assert len(review.log) == 10
    print(f"50,000 suspects: {open_time:.2f} s to open, {1000 * step:.0f} ms a step")


def newest_draws_ahead():
    "Of two desks in a kernel one draws while nothing happens, and a key waits for one"
    async def left_alone():
        desks = [ReviewDesk(Cards(opened(None), samples_of(np.zeros((N, 4, 4)), Y)))
                 for _ in range(2)]
        await asyncio.sleep(1)
        return [len(desk.cards.samples.drawn) for desk in desks]
    old, new = asyncio.run(left_alone())
    assert old == 1 < 5 < new, f"the older desk drew {old}, the newer {new}"


def main():
    start = time.time()
    one_door()
    newest_draws_ahead()
    many()
    for accident in (killed, interrupted, two_at_once, second_reads, full_disk,
                     hostile_names):
        with tempfile.TemporaryDirectory() as folder:
            began = time.time()
            accident(Path(folder).resolve())
            print(f"{accident.__name__.replace('_', ' ')}: ok, "
                  f"{time.time() - began:.1f} s", flush=True)
    print(f"the desk under accidents: {time.time() - start:.0f} s")


if __name__ == "__main__": main()
