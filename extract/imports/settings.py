"""The settings of imports: what published files do not say of their videos."""

from typing import Annotated

from pydantic import Field

from seds_core.pipeline_file import Settings

Pixels = Annotated[int, Field(ge=1)]


class ImportSettings(Settings):
    """The ``imports`` part of a pipeline's ``extract`` section."""

    image_size: tuple[Pixels, Pixels] | None = None
    """Width and height of the images that imported keypoints were found in; ``null`` where it
    differs from video to video, and ``--index`` has to tell."""

    fps: Annotated[float, Field(gt=0)] | None = None
    """Frame rate of the imported videos; ``null`` takes that of ``frames.folder_fps``."""
