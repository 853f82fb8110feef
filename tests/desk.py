"""The review desk under accidents: killed, interrupted, two at once, a full disk, files
that nobody may write or that are malformed, and names that are HTML.

Nothing that was shown as saved may be lost, nothing may be decided about a card that
was not shown, and no text may become an element. Processes are forked, so that twenty
of them take seconds.
"""
import ast
import asyncio
import json
import os
import random
import resource
import signal
import stat
import sys
import tempfile
import time
import warnings
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from influence_nb.cards import Cards, samples_of
from influence_nb.decisions import (_LARGEST, DecisionReader, Review, ReviewFileError,
                                    _checksum)
from influence_nb.desk import ReviewDesk, tour_html
from influence_nb.review import Evidence, review_labels
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
        some = decide_some(path, range(turn * 20, turn * 20 + 20))
        with forked(some) as (process, lines):
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


def mode(path): return stat.S_IMODE(path.lstat().st_mode)


def modes_and_links(folder):
    "A decision leaves permissions, owner and links as they were, and nothing beside it"
    path, link, again = (folder / name for name in ("kept.json", "link", "again"))
    opened(path).decide(0, "keep")
    assert left_beside(path) == []
    link.symlink_to("kept.json")
    again.symlink_to(link)
    for number, permissions in enumerate((0o600, 0o640, 0o664, 0o444 | 0o200), start=1):
        path.chmod(permissions)
        if os.getuid() == 0: os.chown(path, 1234, 2345)
        opened(again).decide(number, "unsure")
        assert mode(path) == permissions and len(saved(path)) == number + 1
        assert os.readlink(link) == "kept.json" and os.readlink(again) == str(link)
        if os.getuid() == 0: assert path.stat()[4:6] == (1234, 2345)
    assert left_beside(path) == ["again", "link"], left_beside(path)
    dangling, inside = folder / "dangling", folder / "not there yet.json"
    dangling.symlink_to(inside.name)  # of a file that comes to be behind it
    opened(dangling).decide(0, "keep")
    assert dangling.is_symlink() and len(saved(inside)) == 1
    old = folder / ".kept.json.0123abcd.tmp"  # what a crash leaves
    mine = folder / ".kept.json.my notes.tmp"
    for left in (old, mine): left.write_text("half")
    opened(path).decide(5, "keep")
    assert mine.exists() and not old.exists()


def refused(action):
    "The sentence of a refusal; anything raw comes through"
    try: action()
    except ReviewFileError as error: return str(error)
    raise AssertionError("nothing was refused")


def protected(folder):
    "What may not be written is read, said at the start, and left as it is"
    path = folder / "protected.json"
    opened(path).decide(0, "keep")
    path.chmod(0o444)
    before = path.read_bytes()
    desk = ReviewDesk(Cards(opened(path), samples_of(X, Y)))
    assert "Read only" in desk.status.value and "write-protected" in desk.status.value
    desk.press("k")
    assert "Not saved" in desk.status.value and len(desk.review.log) == 1
    assert "write-protected" in refused(lambda: opened(path).undo())
    assert path.read_bytes() == before and mode(path) == 0o444
    path.chmod(0o644)
    desk.press("k")
    assert "Read only" not in desk.status.value and len(saved(path)) == 2
    folder.chmod(0o755)
    def as_nobody(out):
        if os.getuid() == 0: os.setuid(65534)
        else: folder.chmod(0o555)
        review = opened(folder / "new.json")
        say(out, repr(review))
        say(out, refused(lambda: review.decide(1, "keep")))
    del desk
    with forked(as_nobody) as (_, lines): first, last = lines.read().splitlines()
    folder.chmod(0o755)
    for words in (first, last): assert f"nothing may be written in {folder}" in words


def nowhere(folder):
    "A path that cannot be is said before the first decision, and before the desk"
    loop = folder / "loop"
    loop.symlink_to(loop)
    os.mkfifo(folder / "pipe")
    (folder / "file").write_text("")
    for path, words in ((folder / "no" / "a.json", "does not exist: make that folder"),
                        (folder / "file" / "a.json", "does not exist"),
                        (folder, "is no file that can be replaced"),
                        (folder / "pipe", "is no file that can be replaced"),
                        (loop, "path"), (folder / "nul\0", "path must name a file"),
                        (folder / ("long" * 100), "path must name a file"),
                        (folder / ("a" * 250), "File name too long"),
                        (3, "path must name a file")):
        said = refused(lambda: review_labels(X, Y, -np.arange(N), path=path))
        assert words in said, said
    path = folder / "sub" / "a.json"
    path.parent.mkdir()
    review = opened(path)
    review.decide(0, "keep")
    for left in path.parent.iterdir(): left.unlink()
    path.parent.rmdir()  # while the desk is open
    assert "give another path" in refused(lambda: review.decide(1, "keep"))
    path.parent.mkdir()
    review.decide(1, "keep")  # what was decided before is written again
    assert len(saved(path)) == 2


LABELS = np.array(["ash", "elm", "oak"] * 3)
ENTRIES = [  # (an entry that makes no sense, what is said of it)
    ([None, "keep", None], "index"), (["0", "keep", None], "index"),
    ([0.0, "keep", None], "index"), ([True, "keep", None], "index"),
    ([-1, "keep", None], "index"), ([9, "keep", None], "index"),
    ([10**30, "keep", None], "index"), ([[0], "keep", None], "index"),
    ([{}, "keep", None], "index"), ([float("nan"), "keep", None], "index"),
    ([0, None, None], "action"), ([0, 3, None], "action"),
    ([0, ["keep"], None], "action"), ([0, {}, None], "action"),
    ([0, "burn", None], "action"), ([0, "KEEP", None], "action"),
    ([0, "keep", "elm"], "label"), ([0, "unsure", "elm"], "label"),
    ([0, "relabel", None], "label"), ([0, "relabel", "fir"], "label"),
    ([0, "relabel", 1], "label"), ([0, "relabel", ["elm"]], "label"),
    ([0, "relabel", {}], "label"), ([0, "relabel", "ash"], "label"),
    ([0, "relabel", "\ud800"], "label")]
NO_ENTRY = [1, None, "keep", [], [0], [0, "keep"], [0, "keep", None, 1], {"0": "keep"}]
NO_VALUE = [None, 3, 1.5, "x", [], {}, True, [[]], float("inf")]


def malformed_files(whole):
    "(what a file holds, what must be said of it), made from a good file"
    content = json.loads(whole)
    def signed(**changes):  # the checksum is that of what stands there
        changed = {k: v for k, v in (content | changes).items() if v is not ...}
        return json.dumps(changed | {"checksum": _checksum(*map(changed.get,
                                                               ("data", "log")))})
    for entry, words in ENTRIES:
        yield signed(log=[[0, "keep", None], entry]), f"decision 2: {words}"
    for entry in NO_ENTRY: yield signed(log=[entry]), "holds no list of"
    yield signed(log=...), "holds no list of"
    yield signed(data=...), "about other data"
    for value in NO_VALUE:
        if value != []: yield signed(log=value), "holds no list of"
        yield signed(data=value), "about other data"
        yield signed(format=value), "is not a file of decisions"
        yield json.dumps(content | {"checksum": value}), "is damaged"
        for name in ("data", "log"):
            yield json.dumps(content | {name: value}), "is damaged"
    for name in content:
        left = json.dumps({k: v for k, v in content.items() if k != name})
        yield left, "is not a file of" if name == "format" else "is damaged"
    yield signed(format="influence_nb review 2"), "is of another version"
    yield whole.replace(content["checksum"], "0" * 64), "is damaged"
    yield json.dumps([content]), "is not a file of decisions"
    for end in (0, 1, 40, len(whole) // 2, len(whole) - 1):
        yield whole[:end], "is damaged"
    yield f"{whole}\n{whole}", "is damaged"
    yield whole[:-1] + ', "log": []}', "is damaged"  # the field twice
    for depth in (900, 5000, 100_000):
        deep = "[" * depth + "]" * depth
        yield whole[:-1] + f', "data": {deep}}}', "is damaged"
    yield whole[:-1] + f', "data": {"9" * 5000}}}', "is damaged"
    yield whole.encode("utf-16"), "is damaged"
    yield whole.encode()[:30] + bytes(range(256)) + whole.encode()[30:], "is damaged"
    yield bytes(1000), "is damaged"


def malformed(folder):
    "Whatever a file holds: a sentence, at the start and at an open desk; never a loss"
    path, x = folder / "trees.json", np.arange(9.0)[:, None]
    def start(): return Review(x, LABELS, -np.arange(9.0), path=path)
    review = start()
    review.decide_all([(0, "relabel", "elm"), (1, "keep", None), (0, "unsure", None)])
    whole = path.read_text()
    assert start().log == review.log and len(start().decisions) == 2  # a point twice
    count = 0
    for content, words in malformed_files(whole):
        content = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(content)
        for action in (start, lambda: review.decide(3, "keep"), review.undo):
            said = refused(action)
            assert words in said and str(path) in said, (words, said)
        assert path.read_bytes() == content, "a malformed file was changed"
        assert len(review.log) == 3, "the open desk forgot"
        count += 1
    with open(path, "wb") as file: file.truncate(_LARGEST + 1)  # takes no room
    assert "is too large for a file of decisions" in refused(start)
    assert path.stat().st_size == _LARGEST + 1
    path.write_text(whole)  # the copy is back: nothing is lost, and it goes on
    review.decide(3, "keep")
    assert len(start().log) == 4 and left_beside(path) == [f".{path.name}.lock"]
    print(f"{count} malformed files, each refused in a sentence")


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


def hostile_lists(folder):
    "The ranking and the faults of a table whose every name is HTML, as a page has them"
    import pandas as pd
    from influence_nb import find_mislabeled
    rng, names = np.random.RandomState(0), HOSTILE[:3]
    kind = np.arange(300) % 3
    X = pd.DataFrame(np.eye(3)[kind] + rng.randn(300, 3) / 3, columns=names,
                     index=[f"{i} {HOSTILE[i % 5]}" for i in range(300)])
    X[HOSTILE[3]], X[HOSTILE[4]] = 1.0, [f"{HOSTILE[c]}!" for c in kind]  # tell all
    given = pd.Series(np.array(names)[kind], index=X.index)
    X.iloc[1], given.iloc[:2] = X.iloc[0], names[:2]  # copies that contradict
    X.iloc[5, 0] = np.nan
    p = np.eye(3)[kind] * 0.8 + 0.2 / 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ranked = find_mislabeled(None, None, X, given, pred_probs=p, classes=names)
    tables = [harmless(each._repr_html_()) for each in (ranked, ranked.faults)]
    assert len(ranked.faults) >= 4, ranked.faults
    for name in (*names, X.index[0]): assert name in tables[0], name
    for name in HOSTILE[3:]: assert name in tables[1], name
    path = folder / "list.csv"
    ranked.to_csv(path)
    assert HOSTILE[0] in path.read_text().replace('""', '"')


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
                     modes_and_links, protected, nowhere, malformed, hostile_names,
                     hostile_lists):
        with tempfile.TemporaryDirectory() as folder:
            began = time.time()
            accident(Path(folder).resolve())
            print(f"{accident.__name__.replace('_', ' ')}: ok, "
                  f"{time.time() - began:.1f} s", flush=True)
    print(f"the desk under accidents: {time.time() - start:.0f} s")


if __name__ == "__main__": main()
