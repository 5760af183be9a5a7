"""The files of one kind below the folder that a person named."""

from pathlib import Path

from extract.imports.imported import ImportItem
from extract.videos.folder_walk import each_once, walk
from seds_core.errors import UsageError
from seds_core.video_id import video_id_of


def files_below(source: Path, suffix: str) -> list[Path]:
    """The files with one ending, by path; each once, whatever links lead to it.

    Hidden and system files are passed over. Raises ``UsageError`` when there are none.
    """
    walked = walk(source, ("**", f"*{suffix}"))
    files, _ = each_once(f for folder in walked.folders for f in folder.files if f.is_wanted)
    if not files:
        raise UsageError(f"there are no {suffix} files below {source}; name the folder of them")
    return [file.path for file in files]


def videos_in_files(source: Path, suffix: str) -> list[ImportItem]:
    """One video for each file, by name; its id is the path below ``source`` without the ending.

    A file named itself is one video of its own name. Raises ``UsageError`` when there are none.
    """
    if source.is_file():
        return [ImportItem(video_id_of(source.stem), source)]
    return [
        ImportItem(video_id_of(path.relative_to(source).with_suffix("").as_posix()), path)
        for path in files_below(source, suffix)
    ]
