"""Small videos, and a look at a page as a browser reads it."""

import itertools
from html.parser import HTMLParser

import pytest

VOID = {"br", "hr", "img", "input", "link", "meta", "source"}


class Page(HTMLParser):
    """A page's elements with their attributes, and its text; its elements have to be nested."""

    def __init__(self, content):
        super().__init__()
        self.content, self.elements, self.text, self._open = content, [], "", []
        self.feed(content)
        self.close()
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag, f"{tag} closes another element"

    def handle_data(self, data):
        if "style" not in self._open:
            self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def check(self):
        """What must be true of every page of ours."""
        tags = {tag for tag, _ in self.elements}
        assert not tags & {"script", "link", "iframe", "object", "embed", "base", "form"}
        for _, attributes in self.elements:
            for name, value in attributes.items():
                assert not name.startswith("on"), name
                if name in ("src", "poster"):
                    assert value.startswith("data:"), value[:40]
                if name == "href":
                    assert value.startswith("#"), value
        assert "url(" not in self.content
        assert "@import" not in self.content
        ids = [a["id"] for _, a in self.elements if "id" in a]
        assert len(ids) == len(set(ids)), "an id is there twice"
        for link in self.all("a"):
            assert link["href"][1:] in ids, f"{link['href']} leads nowhere"
        for _, attributes in self.elements:
            assert attributes.get("aria-labelledby", ids[0] if ids else None) in [*ids, None]
        self._check_outline()
        for picture in self.all("img"):
            assert picture["alt"]
        for drawing in self.all("svg"):
            assert drawing["role"] == "img"
            assert drawing["aria-label"]
        assert len(self.all("table")) == len(self.all("caption"))
        assert all(head["scope"] in ("row", "col") for head in self.all("th"))

    def _check_outline(self):
        """One h1; no level is left out on the way down; one main, in a language."""
        levels = [int(tag[1]) for tag, _ in self.elements if tag in ("h1", "h2", "h3", "h4", "h5")]
        assert levels[0] == 1
        assert levels.count(1) == 1
        for above, below in itertools.pairwise(levels):
            assert below <= above + 1, f"h{below} follows h{above}"
        assert len(self.all("main")) == 1
        assert self.all("html")[0]["lang"] == "en"


@pytest.fixture
def read_page():
    """Reads a page and checks what must be true of all of them."""

    def read(path):
        page = Page(path.read_text(encoding="utf-8"))
        page.check()
        return page

    return read


@pytest.fixture
def write_film(tmp_path):
    """Writes a video of 30 frames at 10 a second; frame n is n times 8 bright."""

    def write(name="film.mp4", num_frames=30, frame_rate=10.0):
        import numpy as np

        from extract.videos.video_writing import write_video

        path = tmp_path / name
        frames = (np.full((48, 64, 3), min(255, 8 * n), np.uint8) for n in range(num_frames))
        write_video(path, frames, frame_rate)
        return path

    return write


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A folder with a small data set and a fusion run; its index names signers.

    The videos of "a" and "c" are there, those of the others are gone. Paths are relative to it.
    """
    import torch
    from small_training import prepare_folder, small_request

    from train.training.run import train

    torch.set_num_threads(1)
    folder = prepare_folder(tmp_path_factory.mktemp("trained"))
    index = folder / "index.csv"
    header, *lines = index.read_text().splitlines()
    signed = [f"{line},{name}" for line, name in zip(lines, ["Ada", "Bo"] * 4, strict=True)]
    index.write_text("\n".join([f"{header},signer", *signed]) + "\n")
    assert train(**small_request(folder)) == 0
    return folder


@pytest.fixture
def evaluated(trained, monkeypatch):
    """A model's scores on the split ``train``, the loaded model, and the device."""
    from train.evaluation.evaluate import evaluate

    monkeypatch.chdir(trained)
    seen = []
    (model,) = evaluate(
        [trained / "runs" / "run"], split="train", device="cpu", workers=0,
        look=lambda *arguments: seen.append(arguments),
    )  # fmt: skip
    assert seen[0][0] is model
    return seen[0]
