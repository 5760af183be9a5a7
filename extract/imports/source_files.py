"""The files of one kind below the folder that a person named."""

from pathlib import Path

from extract.imports.imported import ImportItem
from seds_core.errors import UsageError


def videos_in_files(source: Path, suffix: str) -> list[ImportItem]:
    """One video for each file, by name; its id is the path below ``source`` without the ending.

    A file named itself is one video of its own name. Raises ``UsageError`` when there are none.
    """
    if source.is_file():
        return [ImportItem(source.stem, source)]
    files = [path for path in sorted(source.rglob(f"*{suffix}")) if not path.name.startswith(".")]
    if not files:
        raise UsageError(f"there are no {suffix} files below {source}; name the folder of them")
    return [ImportItem(path.relative_to(source).with_suffix("").as_posix(), path) for path in files]
