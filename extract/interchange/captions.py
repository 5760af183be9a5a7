"""What the caption files of every release are read into, and which captions an index can have."""

import dataclasses
import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from open_clip.tokenizer import SimpleTokenizer

from seds_core import tables
from seds_core.dataset_index import IndexedVideo
from seds_core.errors import UsageError
from seds_core.tables import Table, TableError, WrongLine, open_table

FindingKind = Literal[
    "note",
    "unreadable_line",
    "odd_quotes",
    "without_caption",
    "without_split",
    "without_box",
    "empty_caption",
    "duplicate_id",
    "missing_video",
    "long_caption",
    "shared_sentence",
    "dev_from_train",
    "empty_split",
]

_SIGNER = re.compile(
    r"S\d+_(?P<csl>P\d+)_T\d+"  # CSL-Daily: sentence, person, take
    r"|.+-(?P<how2sign>\d+)-rgb_(front|side)",  # How2Sign: recording, signer, camera
    re.ASCII,
)


@dataclass(frozen=True)
class Finding:
    """Something that a person should know before training."""

    kind: FindingKind
    text: str
    """What was found and what became of it."""
    names: tuple[str, ...] = ()
    """Everything that was found: videos, lines or sentences; a note on the whole has none."""


@dataclass(frozen=True)
class Place:
    """A name under which a video may lie, without its folder and ending."""

    name: str
    part: Mapping[str, str] = field(default_factory=dict)
    """Columns that say which part of such a file the video is; empty for a file of its own."""


@dataclass(frozen=True)
class Caption:
    """A video and its sentence."""

    video_id: str
    split: str
    text: str
    origin: str
    """File and line or entry, for messages."""
    places: tuple[Place, ...]
    """Where to look for the video, best first; the last one is how the release itself has it."""
    path: Path | None = None
    """The video, where the captions say it themselves."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Other columns of the index; empty ones say nothing."""


@dataclass(frozen=True)
class ReleaseCaptions:
    """Everything that was read of a release."""

    captions: tuple[Caption, ...]
    findings: tuple[Finding, ...] = ()
    videos: Path | None = None
    """Folder of the release's own videos, if it is there."""


def signer_of(video_id: str) -> str:
    """The signer that a name of CSL-Daily or How2Sign tells; empty for other names.

    >>> signer_of("S000020_P0004_T00"), signer_of("-fZc293MpJk_0-1-rgb_front"), signer_of("a-1")
    ('P0004', '1', '')
    """
    found = _SIGNER.fullmatch(video_id)
    return (found["csl"] or found["how2sign"]) if found else ""


def line_findings(unreadable: Sequence[str], odd_quotes: Sequence[str]) -> Iterator[Finding]:
    """One finding for all lines that could not be read, each named with the reason, and one for
    those whose quotation marks do not match and are text.
    """
    if unreadable:
        text = "lines or entries that cannot be read, left out"
        yield Finding("unreadable_line", text, tuple(unreadable))
    if odd_quotes:
        text = "lines with quotation marks that do not match, which are taken as text"
        yield Finding("odd_quotes", text, tuple(odd_quotes))


_FIRST_SERVED = ("test", "dev")
"""Splits that keep a video which stands in several: what is evaluated on must not train."""


def without_empty(captions: Sequence[Caption]) -> tuple[tuple[Caption, ...], tuple[Finding, ...]]:
    """The captions with a sentence."""
    empty = tuple(f"{c.video_id} ({c.origin})" for c in captions if not c.text)
    if not empty:
        return tuple(captions), ()
    text = "empty captions, left out"
    kept = tuple(caption for caption in captions if caption.text)
    return kept, (Finding("empty_caption", text, empty),)


def without_duplicates(
    captions: Sequence[Caption],
) -> tuple[tuple[Caption, ...], tuple[Finding, ...]]:
    """Every video once, in the order of the captions: of the test split before dev before others.

    Within a split the first one stays.
    """
    first: dict[str, Caption] = {}
    names = []
    for caption in sorted(captions, key=_precedence):
        kept = first.setdefault(caption.video_id, caption)
        if kept is not caption:
            names.append(f"{caption.video_id} ({kept.origin}; again in {caption.origin})")
    if not names:
        return tuple(captions), ()
    text = "ids that are given again; the first one is taken, of test before dev before others"
    unique = tuple(c for c in captions if first[c.video_id] is c)
    return unique, (Finding("duplicate_id", text, tuple(names)),)


def _precedence(caption: Caption) -> int:
    if caption.split in _FIRST_SERVED:
        return _FIRST_SERVED.index(caption.split)
    return len(_FIRST_SERVED)


_ADVICE = "--dev-share 0 leaves them in train"


def with_validation(
    videos: Sequence[IndexedVideo], share: float, *, keeps_sentences: bool
) -> tuple[tuple[IndexedVideo, ...], tuple[Finding, ...]]:
    """The videos, some of ``train`` in ``dev`` where nothing else is.

    All videos of a sentence go together, at least one sentence, unless there is only one; with
    ``keeps_sentences`` single videos go, and never the last one that a sentence has in ``train``.
    The choice depends on the sentences' words, or on the videos' ids, alone, so that it stays when
    others are added.
    """
    train = [video for video in videos if video.split == "train"]
    if not share or not train or any(video.split == "dev" for video in videos):
        return tuple(videos), ()
    chosen = _single_videos(train, share) if keeps_sentences else _whole_sentences(train, share)
    if not chosen:
        return tuple(videos), ()
    moved = tuple(
        dataclasses.replace(video, split="dev")
        if video.split == "train" and video.video_id in chosen
        else video
        for video in videos
    )
    names = tuple(video.video_id for video in videos if video.video_id in chosen)
    if keeps_sentences:
        text = (
            "training videos were taken for dev, as the set has no validation split; "
            f"every sentence keeps one in train ({_ADVICE})"
        )
        return moved, (Finding("dev_from_train", text, names),)
    text = (
        "training videos that become dev, as the set has no validation split "
        f"({share:.0%} of the sentences, always the same ones; {_ADVICE})"
    )
    return moved, (Finding("note", text, names),)


def empty_splits(videos: Sequence[IndexedVideo]) -> Iterator[Finding]:
    """Says that nothing trains, or that nothing validates."""
    there = {video.split for video in videos}
    empty = [split for split in ("train", "dev") if split not in there]
    if empty:
        yield Finding("empty_split", f"the index has no videos of {' and none of '.join(empty)}")


def _whole_sentences(train: Sequence[IndexedVideo], share: float) -> set[str]:
    """The ids of all videos of some sentences."""
    sentences = {normalised(video.text) for video in train}
    if len(sentences) < 2:
        return set()
    chosen = {sentence for sentence in sentences if fixed_position(sentence) < share}
    chosen = chosen or {min(sentences, key=fixed_position)}
    return {video.video_id for video in train if normalised(video.text) in chosen}


def _single_videos(train: Sequence[IndexedVideo], share: float) -> set[str]:
    """The ids of some videos, which leave every sentence at least one."""
    takes = defaultdict(list)
    for video in train:
        takes[normalised(video.text)].append(video.video_id)
    spare = [name for names in takes.values() for name in sorted(names, key=fixed_position)[:-1]]
    chosen = {name for name in spare if fixed_position(name) < share}
    return chosen or ({min(spare, key=fixed_position)} if spare else set())


def normalised(sentence: str) -> str:
    """A sentence without what does not make it another one: case, spaces and coding of letters.

    >>> normalised("  Hello,\\tYOU ")
    'hello, you'
    """
    return " ".join(unicodedata.normalize("NFKC", sentence).casefold().split())


def fixed_position(text: str) -> float:
    """A place in [0, 1) that depends on the text alone, evenly spread over texts.

    >>> round(fixed_position("hello"), 4)
    0.6551
    """
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


_SPLITS_APART = (("train", "test"), ("train", "dev"))


def long_captions(videos: Sequence[IndexedVideo], max_tokens: int) -> Iterator[Finding]:
    """Sentences with more than ``max_tokens`` of CLIP's tokens, start and end included."""
    byte_pairs = SimpleTokenizer()
    lengths = {text: len(byte_pairs.encode(text)) + 2 for text in {v.text for v in videos}}
    names = tuple(
        f"{v.video_id} ({lengths[v.text]} tokens)" for v in videos if lengths[v.text] > max_tokens
    )
    if names:
        text = (
            f"captions of more than {max_tokens} tokens of CLIP (up to {max(lengths.values())}); "
            f"a model reads {max_tokens} of them, evenly chosen"
        )
        yield Finding("long_caption", text, names)


def shared_sentences(videos: Sequence[IndexedVideo]) -> Iterator[Finding]:
    """Sentences that stand in ``train`` and again where a model is chosen or evaluated."""
    for train, other in _SPLITS_APART:
        known = {normalised(video.text) for video in videos if video.split == train}
        texts = dict.fromkeys(video.text for video in videos if video.split == other)
        sentences = tuple(text for text in texts if normalised(text) in known)
        if sentences:
            text = f"sentences of {other} that stand in {train} as well, left as they are"
            yield Finding("shared_sentence", text, sentences)


class CaptionFileError(UsageError):
    """Caption files that cannot be used; the message names the file and what was expected."""


@dataclass(frozen=True)
class Record:
    """One line: the fields by column, and where it stands."""

    origin: str
    fields: Mapping[str, str]
    """The columns' names are in lower case."""


def find_files(
    source: Path, names: Mapping[str, str], folders: Sequence[str] = (".",)
) -> dict[str, Path]:
    """The files of a release by key, from ``names`` (key -> file name), those that are there.

    ``source`` is a folder that has them in one of ``folders`` (``{key}`` stands for the key), or
    one of the files. Raises :class:`CaptionFileError` where none is there.
    """
    if source.is_file():
        found = {key: source for key, name in names.items() if name == source.name}
        if found:
            return found
    for folder in folders:
        places = {key: source / folder.format(key=key) / name for key, name in names.items()}
        found = {key: path for key, path in places.items() if path.is_file()}
        if found:
            return found
    where = f"{source} does not exist" if not source.exists() else f"no captions in {source}"
    raise CaptionFileError(
        f"{where}; expected {' or '.join(names.values())}, "
        f"in that folder or its {', '.join(folder for folder in folders if folder != '.') or 'top'}"
    )


@dataclass(frozen=True)
class Records:
    """What a table holds, and what was found wrong with it."""

    records: tuple[Record, ...]
    columns: tuple[str, ...]
    unreadable: tuple[str, ...]
    """A sentence for each line that is no record."""
    odd_quotes: tuple[str, ...]
    """Lines with quotation marks that do not match, which were taken as text."""


def read_records(path: Path, columns: Sequence[str] = (), *, unquoted: str = "") -> Records:
    """All records of a table; ``unquoted`` as in :func:`seds_core.tables.open_table`.

    Raises :class:`CaptionFileError` for a file that cannot be read or lacks one of ``columns``.
    """
    records, wrong, odd = [], [], []
    try:
        with open_table(path, unquoted=unquoted) as table:
            _check_columns(path, columns, table)
            for row in table.rows():
                origin = f"{path.name}, line {row.line}"
                if isinstance(row, WrongLine):
                    wrong.append(f"{origin}: {row.problem}")
                    continue
                records.append(Record(origin, row.fields))
                if row.has_odd_quotes:
                    odd.append(origin)
    except TableError as error:
        raise CaptionFileError(str(error)) from None
    return Records(tuple(records), table.columns, tuple(wrong), tuple(odd))


def read_text(path: Path) -> str:
    """A file's text; raises :class:`CaptionFileError` for one that cannot be read."""
    try:
        return tables.read_text(path)
    except TableError as error:
        raise CaptionFileError(str(error)) from None


def _check_columns(path: Path, columns: Sequence[str], table: Table) -> None:
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise CaptionFileError(
            f"{path} has no column {' and no column '.join(missing)}; its first line is "
            f"'{table.header[:200]}', expected {', '.join(columns)}"
        )
