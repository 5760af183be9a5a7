"""The settings of pose estimation: which model finds the keypoints, and where it looks."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from seds_core.pipeline_file import Settings

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Precision = Literal["float32", "float16", "bfloat16"]


class PersonDetectorSettings(Settings):
    """How ``person_box: detector`` finds the signer; the other modes do not read it."""

    network: Literal[
        "fasterrcnn_resnet50_fpn_v2",
        "fasterrcnn_mobilenet_v3_large_320_fpn",
        "ssdlite320_mobilenet_v3_large",
    ] = "fasterrcnn_resnet50_fpn_v2"
    """torchvision's COCO detector, the most exact one first."""

    score_threshold: Fraction = 0.5
    """Detections below this score are not people."""

    choice: Literal["largest", "most_central"] = "largest"
    """Which person is the signer when a frame shows several."""

    every_nth_frame: Annotated[int, Field(ge=1)] = 5
    """The detector sees every n-th frame; the frames between keep the last box."""

    smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5
    """Share of the previous box in the next one; 0 takes every detection as it is."""

    max_gap_frames: Annotated[int, Field(ge=0)] = 25
    """A box is kept for at most so many frames after its detection; then nobody is found."""

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
    ones, which only serve to try things out."""

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
    """whole_frame: nobody is found in a frame whose seven upper-body keypoints have a lower mean
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
