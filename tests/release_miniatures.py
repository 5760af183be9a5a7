"""Miniatures of the three published data sets, each in the shape of its own release.

Every one has drawn signers, so that hands are found in them, and the publication's caption files
beside the release's own ones. The data sets themselves are not needed. ``num_frames`` makes less
of every video for tests that never look at it; the tables stay as they are.
"""

import pickle
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from video_files import write_video

from extract.demo.renderer import SignedVideo
from extract.demo.signer import sample_signer

NUM_FRAMES = 26
PHOENIX_SIZE = (84, 104)
CSL_SIZE = (128, 128)
RECORDING_SIZE = (320, 180)
RECORDING_FPS = 25


@dataclass(frozen=True)
class MiniatureSentence:
    """A sentence in the languages of the releases, and how it is signed."""

    english: str
    german: str
    chinese: str
    glosses: tuple[str, ...]


SENTENCES = (
    MiniatureSentence("I drink water", "ich trinke wasser", "我喝水。", ("I", "WATER", "DRINK")),
    MiniatureSentence("You buy bread", "du kaufst brot", "你买面包。", ("YOU", "BREAD", "BUY")),
    MiniatureSentence("The child is happy", "das kind ist froh", "孩子高兴。", ("CHILD", "HAPPY")),
    MiniatureSentence("I do not eat", "ich esse nicht", "我不吃。", ("I", "EAT", "NOT")),
    MiniatureSentence('We say "read"', 'wir sagen "lies"', "我们说读。", ("TODAY", "BOOK", "READ")),
    MiniatureSentence("You are tired", "du bist müde", "你累了。", ("YOU", "TIRED")),
    MiniatureSentence("We go home", "wir gehen heim", "我们回家。", ("TODAY", "HOUSE", "GO")),
    MiniatureSentence("My friend is good", "mein freund ist gut", "朋友好。", ("FRIEND", "GOOD")),
)  # fmt: skip

HOW2SIGN_HEADER = (
    "VIDEO_ID\tVIDEO_NAME\tSENTENCE_ID\tSENTENCE_NAME\tSTART_REALIGNED\tEND_REALIGNED\tSENTENCE"
)
SPLIT_OF = ("train",) * 4 + ("dev",) * 2 + ("test",) * 2
"""The split of each sentence."""


def drawn_frames(number: int, size: tuple[int, int], count: int) -> Iterator:
    """Pictures of a signer who signs a sentence; at the end the last one again."""
    video = SignedVideo(SENTENCES[number].glosses, sample_signer(number), 0, *size)
    for frame in range(count):
        yield video.frame(min(frame + 5, len(video) - 1))


def make_phoenix(folder: Path, num_frames: int = NUM_FRAMES) -> Path:
    """``PHOENIX-2014-T`` and the publication's ``data_ph``; gives the release."""
    release = folder / "PHOENIX-2014-T"
    lines: dict[str, list[str]] = {"train": [], "dev": [], "test": []}
    entries: dict[str, dict] = {"train": {}, "dev": {}, "test": {}}
    for number, (sentence, split) in enumerate(zip(SENTENCES, SPLIT_OF, strict=True)):
        name = f"0{number + 1}April_2010_Thursday_heute-{number}"
        frames = release / "features/fullFrame-210x260px" / split / name
        _write_images(
            frames, "images{:04}.png", drawn_frames(number, PHOENIX_SIZE, num_frames), first=1
        )
        glosses = " ".join(sentence.glosses)
        lines[split].append(
            f"{name}|{name}/1/*.png|-1|-1|Signer0{number % 3 + 1}|{glosses}|{sentence.german}"
        )
        entries[split][name] = _entry(name, sentence.english, sentence.german)
    header = "name|video|start|end|speaker|orth|translation"
    for split, rows in lines.items():
        path = release / f"annotations/manual/PHOENIX-2014-T.{split}.corpus.csv"
        _write_lines(path, header, rows)
    entries["dev"] = entries["train"] | entries["dev"]  # as published
    _write_pickles(folder / "data_ph", entries)
    return release


def make_csl(folder: Path, num_frames: int = NUM_FRAMES) -> Path:
    """``CSL-Daily`` and the publication's ``data_csl``; gives the release.

    The first training sentence has two signers. As in the release, ``split_1.txt`` has a video
    that ``video_map.txt`` has not, and the other way round.
    """
    release = folder / "CSL-Daily"
    rows, splits = [], []
    entries: dict[str, dict] = {"train": {}, "test": {}}
    takes = [(0, 1), *((number, 0) for number in range(len(SENTENCES)))]
    for number, person in sorted(takes):
        sentence, split = SENTENCES[number], SPLIT_OF[number]
        name = f"S{number:06}_P000{person}_T00"
        frames = release / "sentence/frames_512x512" / name
        _write_images(frames, "{:06}.jpg", drawn_frames(number, CSL_SIZE, num_frames), first=0)
        characters, glosses = " ".join(sentence.chinese), " ".join(sentence.glosses)
        rows.append(f"{len(rows)}|{name}|{NUM_FRAMES}|{glosses}|{characters}|{characters}|n n n")
        splits.append(f"{name}|{split}")
        if split in entries:
            entry = _entry(name, sentence.english, sentence.chinese)
            entries[split].setdefault(f"S{number:06}", []).append(entry)
    rows.append(f"{len(rows)}|S000007_P0003_T00|40|I|你 好 。|你好 。|n n")
    splits.append("S000005_P0004_T00|train")
    labels = release / "sentence_label"
    _write_lines(labels / "video_map.txt", "index|name|length|gloss|char|word|postag", rows)
    _write_lines(labels / "split_1.txt", "name|split", splits)
    _write_pickles(folder / "data_csl", entries)
    return release


def make_how2sign(folder: Path, num_frames: int = NUM_FRAMES) -> Path:
    """``raw_videos``, tables in ``realigned``, published boxes and ``data_h2``; gives the tables.

    A split is one recording of one signer, a sentence a second; its table is written backwards. As
    published, there are neither boxes nor captions for the validation split.
    """
    entries: dict[str, dict] = {}
    for signer, key in enumerate(("train", "val", "test"), start=1):
        clips = _write_recording(folder, key, signer, num_frames)
        rows = (
            f"{clip.recording}\t{clip.recording}-{signer}-rgb_front\t{clip.sentence_id}\t{clip.name}"
            f"\t{clip.start:.2f}\t{clip.end:.2f}\t{_quoted(clip.text)}"
            for clip in reversed(clips)
        )
        _write_lines(folder / f"realigned/how2sign_realigned_{key}.csv", HOW2SIGN_HEADER, rows)
        if key != "val":
            box = {"x1": 70, "y1": 0, "x2": 250, "y2": 180, "w": 180, "h": 180}
            boxes = {f"{clip.alias}.mp4": box for clip in clips}
            _write_pickle(folder / f"bounding_box_coco_{key}.pkl", boxes)
            entries[key] = {clip.sentence_id: [clip.entry] for clip in clips}
    _write_pickles(folder / "data_h2", entries)
    return folder / "realigned"


@dataclass(frozen=True)
class _Clip:
    """A sentence of a recording."""

    recording: str
    number: int
    signer: int
    text: str

    @property
    def sentence_id(self) -> str:
        return f"{self.recording}_{self.number}"

    @property
    def name(self) -> str:
        return f"{self.sentence_id}-{self.signer}-rgb_front"

    @property
    def alias(self) -> str:
        return f"{self.recording}-{self.signer}-rgb_front_clip{self.number}"

    @property
    def start(self) -> float:
        return self.number * NUM_FRAMES / RECORDING_FPS

    @property
    def end(self) -> float:
        return self.start + (NUM_FRAMES - 2) / RECORDING_FPS

    @property
    def entry(self) -> dict:
        return {
            "text": self.text, "num_frames": NUM_FRAMES, "video_name": self.alias,
            "new_video_name": self.name,
        }  # fmt: skip


def _write_recording(folder: Path, key: str, signer: int, num_frames: int) -> list[_Clip]:
    split = "dev" if key == "val" else key
    numbers = [number for number, of in enumerate(SPLIT_OF) if of == split]
    frames = [
        frame for number in numbers for frame in drawn_frames(number, RECORDING_SIZE, num_frames)
    ]
    path = folder / "raw_videos" / key / f"-{key}-{signer}-rgb_front.mp4"
    path.parent.mkdir(parents=True)
    write_video(path, frames, fps=RECORDING_FPS)
    return [
        _Clip(f"-{key}", clip, signer, SENTENCES[number].english)
        for clip, number in enumerate(numbers)
    ]


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if '"' in text else text


def _entry(name: str, text: str, original: str) -> dict:
    return {"video_name": name, "ori_text": original, "text": text, "num_frames": NUM_FRAMES}


def _write_images(folder: Path, pattern: str, frames: Iterable[np.ndarray], first: int) -> None:
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames, start=first):
        Image.fromarray(frame).save(folder / pattern.format(number), quality=92)


def _write_lines(path: Path, header: str, rows: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")


def _write_pickles(folder: Path, entries: dict[str, dict]) -> None:
    folder.mkdir(parents=True)
    for split, content in entries.items():
        _write_pickle(folder / f"{split}.pkl", content)


def _write_pickle(path: Path, content: object) -> None:
    path.write_bytes(pickle.dumps(content, protocol=4))
