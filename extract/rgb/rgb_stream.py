"""The RGB stream: a decoded video becomes one feature vector a clip."""

from collections import deque
from dataclasses import asdict, dataclass

import numpy as np

from extract.decoding.confirmed_frames import confirmed_frames, expected_frames
from extract.decoding.decoded_video import DecodedVideo
from extract.decoding.frame_fit import FrameFit
from extract.rgb.backbones import Backbone, load_backbone
from extract.rgb.clip_features import clip_features
from extract.settings import ExtractSettings
from seds_core.clip_plan import ClipPlan, plan_clips
from seds_core.store.provenance import Provenance


@dataclass(frozen=True)
class RgbStream:
    """A frozen video network and the clips it is shown: an ``extract.run.stream.Stream``."""

    backbone: Backbone
    settings: ExtractSettings

    @classmethod
    def load(cls, settings: ExtractSettings, device: str) -> "RgbStream":
        """Loads the network; raises ``UnavailableError`` when its weights cannot be had."""
        rgb = settings.rgb
        backbone = load_backbone(
            rgb.backbone, rgb.weights, clip_length=rgb.clip_length, device=device
        )
        return cls(backbone, settings)

    @property
    def provenance(self) -> Provenance:
        """What decides the rows."""
        return Provenance(
            kind="rgb",
            settings=self.settings.model_dump(mode="json", include={"frames", "rgb"}),
            weights=asdict(self.backbone.weights),
            feature_dim=self.backbone.feature_dim,
            feature_dtype=self.settings.rgb.store_dtype,
        )

    @property
    def fit(self) -> FrameFit:
        """The size that the network's frames are cropped from."""
        return self.backbone.fit

    def num_rows(self, num_frames: int) -> int:
        """Clips of a video of so many frames."""
        return len(self._plan(num_frames).starts)

    def rows(self, video: DecodedVideo) -> dict[str, np.ndarray]:
        """One row a clip: its features, its first frame and its frame step."""
        plan = self._plan(expected_frames(video))
        chunks = confirmed_frames(video)
        features = clip_features(
            self.backbone,
            chunks,
            plan.starts.tolist(),
            batch_size=self.settings.run.rgb_batch,
            precision=self.settings.rgb.precision,
        )
        deque(chunks, maxlen=0)  # Frames after the last clip count too: they confirm the length.
        return {
            "features": features.astype(self.settings.rgb.store_dtype),
            "first_frame": plan.first_frames,
            "frame_step": np.full(len(plan.starts), plan.frame_step, np.int32),
        }

    def _plan(self, num_frames: int) -> ClipPlan:
        rgb = self.settings.rgb
        return plan_clips(
            num_frames,
            max_frames=self.settings.frames.max_frames,
            clip_length=rgb.clip_length,
            max_clips=rgb.clip_limit,
        )
