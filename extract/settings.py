"""The typed ``extract`` section of a pipeline: every number that the rows of a store depend on.

``run`` is the exception: it decides only how fast rows are made, and is left out of what a store
remembers.
"""

from typing import Annotated, Literal

from pydantic import Field

from extract.imports.settings import ImportSettings
from extract.pose.settings import PoseSettings
from seds_core.hands import HandRules
from seds_core.pipeline_file import Settings


class FrameSettings(Settings):
    """Which frames of a video make its timeline; the same for both streams."""

    max_frames: Annotated[int, Field(ge=16)] | None = 300
    """A longer video keeps every k-th frame from frame 0, with the smallest k that leaves at most
    this many; null keeps all frames. SEDS (arXiv 2407.16394), section 4.1."""

    folder_fps: Annotated[float, Field(gt=0)] = 25.0
    """Frame rate of videos that are folders of images."""


class RgbSettings(Settings):
    """The frozen video network and its clips."""

    backbone: Literal["i3d", "s3d", "mvit_v2_s"] = "i3d"
    """Inception I3D, or one of torchvision's video networks."""

    weights: str = "kinetics400"
    """Weights by name (i3d: bsl5k, kinetics400; torchvision's: kinetics400; any: random), or the
    path of a file in the published bsl5k format."""

    clip_length: Annotated[int, Field(ge=9)] = 16
    """Timeline frames in a clip."""

    clips: Literal["planned", "all"] = "planned"
    """``planned``: at most ``max_clips``, spread evenly; ``all``: every window of the timeline."""

    max_clips: Annotated[int, Field(ge=1)] = 64
    """Clips of a video when they are planned."""

    frames: Literal["all", "hands"] = "all"
    """``all``: clips are windows over the timeline; ``hands``: frames in which no hand can be used
    are left out first, as published. That needs ``--pose``, and the training pipeline's
    ``keypoints.frames`` must say the same."""

    hand_rules: HandRules = "custom"
    """Which published rules say, for ``frames: hands``, whether a hand can be used; the training
    pipeline's ``keypoints.rules`` must be the same."""

    store_dtype: Literal["float32", "float16"] = "float32"
    """Precision of the stored features."""

    precision: Literal["float32", "float16", "bfloat16"] = "float32"
    """Arithmetic of the network on a GPU; a CPU always computes in float32."""

    @property
    def clip_limit(self) -> int | None:
        """Clips that a video may have; ``None`` for no limit."""
        return self.max_clips if self.clips == "planned" else None


class RunSettings(Settings):
    """How fast rows are made; nothing here changes more than their last bits."""

    decode_workers: Annotated[int, Field(ge=0)] = 4
    """Processes that decode ahead of the network; 0 decodes in the main process."""

    decode_timeout: Annotated[float, Field(gt=0)] = 60.0
    """Seconds without a new frame after which a decoder counts as hung, and its video as failed."""

    rgb_batch: Annotated[int, Field(ge=1)] = 8
    """Clips in one pass of the video network, which computes once what they share: 8 on a CPU, more
    on a GPU."""


class ExtractSettings(Settings):
    """The whole section."""

    frames: FrameSettings = FrameSettings()
    """Frames of the timeline."""
    rgb: RgbSettings = RgbSettings()
    """For ``seds-extract rgb``."""
    pose: PoseSettings = PoseSettings()
    """For ``seds-extract pose``."""
    imports: ImportSettings = ImportSettings()
    """For ``seds-extract import``."""
    run: RunSettings = RunSettings()
    """Speed."""
