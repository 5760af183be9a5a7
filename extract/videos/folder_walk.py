"""Looks through folders the way a user means it: links are followed, loops are cut.

Hidden files and folders, those that systems keep for themselves, and folders that may not be read
are passed over. Names are compared composed: ``ü`` is one letter, however a disk spells it.
"""

import heapq
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from operator import attrgetter
from pathlib import Path

from seds_core.video_id import video_id_of

EVERYTHING = ("**",)
"""The pattern of all that lies below a folder, and of the folder itself."""

SYSTEM_NAMES = frozenset(
    (
        "#recycle",
        "#snapshot",
        "$recycle.bin",
        "@eadir",
        "@recently-snapshot",
        "@recycle",
        "__macosx",
        "lost+found",
        "recycler",
        "system volume information",
    )
)
"""What systems and network disks keep beside the user's files, in lower case."""


@dataclass(frozen=True)
class WalkedFile:
    """A file that is there under this name."""

    path: Path
    real_path: str
    """Where it lies when all links are followed."""
    num_links: int
    """Links on the way from the folder that was named, its own among them."""
    is_wanted: bool
    """Whether the pattern asks for it."""

    @property
    def rank(self) -> tuple[int, int, Path]:
        """Of several names of one file the lowest counts: few links, then a short path."""
        return self.num_links, len(self.path.parts), self.path


@dataclass(frozen=True)
class WalkedFolder(WalkedFile):
    """A folder and the files that lie in it, by name."""

    files: tuple[WalkedFile, ...]


@dataclass
class Walk:
    """Everything that was met on the way through a folder."""

    folders: list[WalkedFolder] = field(default_factory=list)
    hidden: list[Path] = field(default_factory=list)
    """Hidden and system files and folders, which were not looked into."""
    unreadable: list[Path] = field(default_factory=list)
    leaves: list[Path] = field(default_factory=list)
    """Folders that were not to be looked into."""
    repeated: list[Path] = field(default_factory=list)
    """Links to folders that were met under another name."""


def walk(
    base: Path,
    pattern: tuple[str, ...] = EVERYTHING,
    is_leaf: Callable[[str], bool] = lambda _: False,
) -> Walk:
    """Looks into a folder, and into those below it that a pattern may mean something in.

    The pattern's parts are those of a path below ``base``, ``**`` for any number of folders. A
    folder that is reached in several ways is met under the name with the fewest links, then the
    shortest, then the first one. Names with a leading dot and :data:`SYSTEM_NAMES` are met only
    where the pattern spells them. A folder whose name is that of a leaf is met, not looked into.
    """
    # A folder waits with its positions in the pattern: the numbers of parts that may come next,
    # ``len(pattern)`` where the pattern is at its end. The heap gives the best name of it first.
    walked, seen = Walk(), set[tuple[str, frozenset[int]]]()
    start = os.path.realpath(base), _reached(pattern, {0})
    todo = [(0, len(base.parts), str(base), *start)]
    while todo:
        num_links, depth, path, real_path, positions = heapq.heappop(todo)
        if (real_path, positions) in seen:
            walked.repeated.append(Path(path))
            continue
        seen.add((real_path, positions))
        files = []
        for entry in _entries(path, walked):
            below = _step(pattern, positions, entry.name)
            if not below and _is_hidden(entry.name):
                walked.hidden.append(Path(entry.path))
                continue
            # Without a link the real path follows from the folder's, at no call of the system.
            links, real = num_links, f"{real_path}/{entry.name}"
            if entry.is_symlink():
                links, real = num_links + 1, os.path.realpath(entry.path)
            try:
                is_folder = entry.is_dir()
            except OSError:  # a link to itself
                is_folder = False
            if not is_folder:
                wanted = len(pattern) in below
                files.append(WalkedFile(Path(entry.path), real, links, wanted))
            elif below and is_leaf(entry.name):
                walked.leaves.append(Path(entry.path))
            elif below:
                heapq.heappush(todo, (links, depth + 1, entry.path, real, below))
        wanted = len(pattern) in positions
        walked.folders.append(WalkedFolder(Path(path), real_path, num_links, wanted, tuple(files)))
    return walked


def each_once(files: Iterable[WalkedFile]) -> tuple[list[WalkedFile], list[WalkedFile]]:
    """Returns every file under the name that counts, and the other names of files; both by path."""
    # The best name of a file comes first, and stays.
    by_real_path: dict[str, WalkedFile] = {}
    others = []
    for file in sorted(files, key=lambda file: file.rank):
        if by_real_path.setdefault(file.real_path, file).path != file.path:
            others.append(file)
    by_path = attrgetter("path")
    return sorted(by_real_path.values(), key=by_path), sorted(others, key=by_path)


def spelled_on_disk(path: Path) -> Path:
    """Finds the path of a file that was named with letters composed in another way.

    Returns the path itself where there is no such file.
    """
    # ASCII has one spelling only; the search upwards ends at what exists, or at the root.
    if str(path).isascii() or os.path.lexists(path) or path == path.parent:
        return path
    folder = spelled_on_disk(path.parent)
    # The folder's time is part of the key, so that what is new in it is seen.
    try:
        names = _names_by_spelling(folder, folder.stat().st_mtime_ns)
    except OSError:
        return path
    name = names.get(video_id_of(path.name))
    return folder / name if name else path


@lru_cache(maxsize=16)
def _names_by_spelling(folder: Path, _mtime_ns: int) -> dict[str, str]:
    """Composed names of what lies in a folder -> their names on the disk."""
    # Of several spellings of one name the first stays: in reverse order it overwrites the others.
    return {video_id_of(name): name for name in sorted(os.listdir(folder), reverse=True)}


def _entries(folder: str, walked: Walk) -> list[os.DirEntry[str]]:
    """Lists what lies in a folder, by name; nothing where it may not be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        walked.unreadable.append(Path(folder))
        return []


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def _reached(pattern: tuple[str, ...], positions: set[int]) -> frozenset[int]:
    """Adds the positions in a pattern that are reached by passing over a ``**``."""
    # Over a sorted copy, as the loop adds to the set itself.
    for position in sorted(positions):
        while position < len(pattern) and pattern[position] == "**":
            position += 1
            positions.add(position)
    return frozenset(positions)


def _step(pattern: tuple[str, ...], positions: frozenset[int], name: str) -> frozenset[int]:
    """Returns the positions in a pattern below a name, from those in the folder that holds it."""
    letters = video_id_of(name)
    is_hidden = _is_hidden(name)
    after = set()
    for position in positions:
        # At the pattern's end nothing is asked for below.
        part = pattern[position] if position < len(pattern) else ""
        if part == "**":
            after |= set() if is_hidden else {position}
        elif fnmatchcase(letters, part):
            # A wildcard does not mean hidden names; they have to be spelled, at least their dot.
            spelled = part.startswith(".") if name.startswith(".") else part == letters
            after |= {position + 1} if spelled or not is_hidden else set()
    return _reached(pattern, after)
