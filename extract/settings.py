"""The settings under ``extract`` of a pipeline: every number that the rows of a store depend on.

``run`` is the exception: it decides only how fast rows are made, and stores do not remember it.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from seds_core.pipeline_file import Settings
from seds_core.store.provenance import HandRules

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Precision = Literal["float32", "float16", "bfloat16"]


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
    """Which published rules say, for ``frames: hands``, whether a hand can be used, or ``seen``: it
    shows points of its own. The training pipeline's ``keypoints.rules`` must be the same."""

    store_dtype: Literal["float32", "float16"] = "float32"
    """Precision of the stored features."""

    precision: Literal["float32", "float16", "bfloat16"] = "float32"
    """Arithmetic of the network on a GPU; a CPU always computes in float32."""

    @property
    def clip_limit(self) -> int | None:
        """Clips that a video may have; ``None`` for no limit."""
        return self.max_clips if self.clips == "planned" else None


class PersonDetectorSettings(Settings):
    """How ``person_box: detector`` finds the signer; the other modes do not read it."""

    network: Literal[
        "fasterrcnn_resnet50_fpn_v2",
        "fasterrcnn_mobilenet_v3_large_320_fpn",
        "ssdlite320_mobilenet_v3_large",
    ] = "fasterrcnn_resnet50_fpn_v2"
    """torchvision's COCO detectors, the most exact one first."""

    score_threshold: Fraction = 0.5
    """Detections below this score are not people."""

    choice: Literal["largest", "most_central"] = "largest"
    """Which person is the signer when a frame shows several."""

    every_nth_frame: Annotated[int, Field(ge=1)] = 5
    """The detector sees every n-th frame; the frames between keep the last box."""

    smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5
    """Weight of the previous box in the next one; 0 takes every detection as it is."""

    max_gap_frames: Annotated[int, Field(ge=0)] = 25
    """A box is kept for at most so many frames after its detection; then no person is found."""

    # Between two looks of the detector, the box has to be kept.
    @model_validator(mode="after")
    def _gap_bridges_the_skipped_frames(self) -> "PersonDetectorSettings":
        if self.max_gap_frames < self.every_nth_frame - 1:
            raise ValueError(
                f"max_gap_frames {self.max_gap_frames} loses the signer between two detections; "
                f"with every_nth_frame {self.every_nth_frame} it must be at least "
                f"{self.every_nth_frame - 1}"
            )
        return self


class PoseSettings(Settings):
    """The ``pose`` part of a pipeline's ``extract`` section."""

    detector: Literal["mmpose", "mediapipe"] = "mmpose"
    """The library that finds the keypoints; mediapipe is an optional install."""

    model: str = "rtmpose-l-384"
    """mmpose: an alias such as 'rtmw-l-384' or 'demo', a model name of MMPose's own lists, or the
    path of a config file (which needs ``checkpoint``)."""

    checkpoint: str | None = None
    """mmpose: path or address of other weights than the published ones; 'random' for untrained
    ones, to try things out."""

    flip_test: bool = False
    """mmpose: average with the mirrored image, at twice the cost."""

    precision: Precision = "float32"
    """mmpose: arithmetic of backbone and neck on a GPU; the keypoint head, and a CPU, always
    compute in float32."""

    batch_size: Annotated[int, Field(ge=1)] = 32
    """Frames of one forward pass, of whatever videos are at hand; on a CPU at most 8 of them."""

    person_box: Literal["whole_frame", "detector", "csv"] = "whole_frame"
    """Where the signer is: anywhere, found by ``person_detector``, or given in
    ``person_box_file``."""

    person_detector: PersonDetectorSettings = PersonDetectorSettings()
    """For ``person_box: detector``."""

    person_box_file: Path | None = None
    """For ``person_box: csv``: columns video_id, frame, left, top, right, bottom."""

    person_threshold: Fraction = 0.3
    """whole_frame: no person is found in a frame whose seven upper-body keypoints have a lower mean
    confidence."""

    @model_validator(mode="after")
    def _modes_fit_together(self) -> "PoseSettings":
        if (self.person_box == "csv") != (self.person_box_file is not None):
            raise ValueError("person_box 'csv' and person_box_file need each other")
        if self.detector == "mediapipe" and self.person_box != "whole_frame":
            raise ValueError(
                "mediapipe follows the signer itself: it needs person_box 'whole_frame'"
            )
        return self


Pixels = Annotated[int, Field(ge=1)]


class ImportSettings(Settings):
    """The ``imports`` part of a pipeline's ``extract`` section."""

    image_size: tuple[Pixels, Pixels] | None = None
    """Width and height of the images that imported keypoints were found in; ``null`` where it
    differs from video to video: then ``--index`` gives them."""

    fps: Annotated[float, Field(gt=0)] | None = None
    """Frame rate of the imported videos; ``null`` takes that of ``frames.folder_fps``."""


class RunSettings(Settings):
    """How fast rows are made; nothing here changes more than their last bits."""

    decode_workers: Annotated[int, Field(ge=0)] = 4
    """Processes that decode ahead of the network; several devices of a machine share them, each
    getting one at least. 0 decodes in the network's process."""

    decode_timeout: Annotated[float, Field(gt=0)] = 60.0
    """Seconds without a new frame after which a decoder counts as hung, and its video as failed."""

    video_timeout: Annotated[float, Field(gt=0)] | None = None
    """Seconds that a video may take from the one before it on; then it has failed. null: any time.
    With a limit the network runs in a process of its own, which can be ended."""

    decoder: Literal["pyav", "decord"] = "pyav"
    """What decodes video files. Both give the same frames to the bit; decord takes up to twice the
    processor time, and leaves files that it does not decode exactly to PyAV."""

    max_pixels: Annotated[int, Field(ge=1)] = 8192 * 8192
    """Pixels of a frame; a video of larger ones is refused before a frame takes memory. This and
    the next four are limits against files that are broken, or meant to do harm."""

    max_video_frames: Annotated[int, Field(ge=1)] = 2_000_000
    """Frames of a video, of which ``frames.max_frames`` are used."""

    max_video_hours: Annotated[float, Field(gt=0)] = 6.0
    """Hours that a video is shown; a part of a recording counts alone."""

    max_decode_seconds: Annotated[float, Field(gt=0)] = 3_600.0
    """Seconds of a processor that decoding one video may take."""

    decoder_memory_gb: Annotated[float, Field(gt=0)] = 4.0
    """GB of addresses that a decoding process may take beyond those that it starts with."""

    rgb_batch: Annotated[int, Field(ge=1)] = 8
    """Clips in one batch of the video network, which computes once what they share: 8 on a CPU,
    more on a GPU."""


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
