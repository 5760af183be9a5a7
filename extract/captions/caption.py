"""What the files of every release are read into: captions, and what was found wrong with them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

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
