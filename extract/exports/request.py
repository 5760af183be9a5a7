"""What a person asked of ``seds-extract export``, as it stands on the command line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ExportForm = Literal["published", "pose"]
"""One pickle a video, as the publication has them, or one ``.pose`` file."""


@dataclass(frozen=True)
class ExportRequest:
    """The options of one command; nothing has been looked up yet."""

    store: Path
    out: Path
    """Folder to write to."""
    form: ExportForm
    overwrite: bool = False
    """Write files again that exist already."""
    as_json: bool = False
