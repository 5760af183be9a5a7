"""The RGB stream: a decoded video becomes one feature vector a clip."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from extract.batched_inference import BatchedInference
from extract.rgb.backbones import Backbone, load_backbone
from extract.rgb.clip_features import ClipGroup, clip_groups, group_features
from extract.rgb.provenance import KeptFrames, KeptTimeline, rgb_provenance
from extract.settings import ExtractSettings
from extract.stream import Rows
from extract.videos.decoding import DecodedVideo, confirmed_frames, expected_frames
from extract.videos.frame import FrameFit, Frames
from extract.videos.part import FrameCountChanged, VideoError
from seds_core.clip_plan import ClipPlan, plan_clips
from seds_core.store.provenance import Provenance, device_kind
from seds_core.store.reader import VideoNotInStoreError


@dataclass(frozen=True)
class RgbPiece:
    """Clips that follow one another in a video."""

    clips: ClipGroup
    row_frames: Rows
    """Their rows without the features: which frames each is made of."""


@dataclass(frozen=True)
class RgbStream:
    """A frozen video network and the clips it is shown: an ``extract.stream.Stream``."""

    backbone: Backbone
    settings: ExtractSettings
    kept_frames: KeptFrames | None = None
    """The frames that clips are made of; ``None``: every ``frame_step``-th one."""
    clip_batches: BatchedInference = field(init=False, compare=False)
    """Within a group, whose clips share more computations the more there are."""

    def __post_init__(self) -> None:
        """All clips of a group, as long as there is memory."""
        object.__setattr__(self, "clip_batches", BatchedInference(self.settings.run.rgb_batch))

    @classmethod
    def load(
        cls, settings: ExtractSettings, device: str, pose_store: Path | None = None
    ) -> "RgbStream":
        """Loads the network; a pose store leaves out frames without a usable hand.

        Raises ``UnavailableError`` when the weights cannot be had, and ``UsageError`` for another
        kind of store.
        """
        rgb = settings.rgb
        kept = KeptFrames.open(pose_store, rgb.hand_rules) if pose_store else None
        backbone = load_backbone(
            rgb.backbone, rgb.weights, clip_length=rgb.clip_length, device=device
        )
        return cls(backbone, settings, kept)

    @property
    def provenance(self) -> Provenance:
        """What decides the rows."""
        backbone = self.backbone
        return rgb_provenance(
            self.settings,
            backbone.weights,
            backbone.feature_dim,
            self.kept_frames,
            device_kind(backbone.device.type),
        )

    @property
    def fit(self) -> FrameFit:
        """The size that the network's frames are cropped from."""
        return self.backbone.fit

    def num_rows(self, video: DecodedVideo) -> int:
        """Clips of the video."""
        num_frames = expected_frames(video)
        if self.kept_frames is None:
            return len(self._plan(num_frames).starts)
        return len(self._clips(self._kept_timeline(video, self.kept_frames)))

    @property
    def batch_size(self) -> int:
        """A piece is a group of clips already."""
        return 1

    def pieces(self, video: DecodedVideo) -> Iterator[RgbPiece]:
        """The video's clips, ``run.rgb_batch`` at a time."""
        if self.kept_frames is None:
            return self._pieces_of_all(video)
        return self._pieces_of_kept(video, self.kept_frames)

    def rows(self, pieces: Sequence[RgbPiece]) -> list[Rows]:
        """One row a clip: its features and its frames."""
        return [{"features": self._features(piece.clips), **piece.row_frames} for piece in pieces]

    def _pieces_of_all(self, video: DecodedVideo) -> Iterator[RgbPiece]:
        plan = self._plan(expected_frames(video))
        row_frames = {
            "first_frame": plan.first_frames,
            "frame_step": np.full(len(plan.starts), plan.frame_step, np.int32),
        }
        yield from self._pieces(confirmed_frames(video), plan.starts, row_frames)

    def _pieces_of_kept(self, video: DecodedVideo, kept: KeptFrames) -> Iterator[RgbPiece]:
        timeline = self._kept_timeline(video, kept)
        clips = self._clips(timeline)
        # Clips name frames of the video; the network's windows are over the kept frames alone.
        starts = np.searchsorted(timeline.frames, clips[:, 0])
        row_frames = {
            "first_frame": clips[:, 0],
            "frame_step": np.zeros(len(clips), np.int32),
            "frames": clips,
        }
        try:
            if expected_frames(video) != timeline.num_frames:
                deque(confirmed_frames(video), maxlen=0)  # the container may be the one that errs
                raise FrameCountChanged(expected_frames(video))
            yield from self._pieces(timeline.select(confirmed_frames(video)), starts, row_frames)
        except FrameCountChanged as change:
            # The container erred, the decoder agrees with the poses: the video is read again.
            if change.num_frames == timeline.num_frames:
                raise
            raise VideoError(
                video.job.path,
                f"decoding gave {change.num_frames} frames, but {kept.pose.path} was made of "
                f"{timeline.num_frames}: extract its poses again",
            ) from None

    def _pieces(
        self, chunks: Iterator[Frames], starts: Int[np.ndarray, " clip"], row_frames: Rows
    ) -> Iterator[RgbPiece]:
        """The clips of a timeline, all of whose frames are read."""
        # What passes together decides the last bits: groups count from the video's first clip.
        size = self.settings.run.rgb_batch
        for number, group in enumerate(clip_groups(self.backbone, chunks, starts.tolist(), size)):
            of_group = slice(number * size, (number + 1) * size)
            yield RgbPiece(group, {name: values[of_group] for name, values in row_frames.items()})
        deque(chunks, maxlen=0)  # Frames after the last clip count too: they confirm the length.

    def _features(self, clips: ClipGroup) -> Float[np.ndarray, "clip rgb"]:
        # All clips of the group share their overlap; when memory lacks, parts of it do.
        def compute(some: Sequence[int]) -> list[Float[np.ndarray, " rgb"]]:
            group = clips.part(some, self.settings.rgb.clip_length)
            return list(group_features(self.backbone, group, self.settings.rgb.precision))

        features = np.stack(self.clip_batches.run(clips.starts, compute))
        return features.astype(self.settings.rgb.store_dtype)

    def _kept_timeline(self, video: DecodedVideo, kept: KeptFrames) -> KeptTimeline:
        job = video.job
        try:
            timeline = kept.of(job.video_id, self.settings.frames.max_frames)
        except VideoNotInStoreError as error:
            raise VideoError(job.path, f"which frames show a hand is not known: {error}") from None
        if not len(timeline.frames):
            raise VideoError(
                job.path,
                f"no frame shows a usable hand, by {kept.pose.path} and the rules '{kept.rules}'",
            )
        return timeline

    def _clips(self, timeline: KeptTimeline) -> np.ndarray:
        rgb = self.settings.rgb
        return timeline.clips(rgb.clip_length, rgb.clip_limit)

    def _plan(self, num_frames: int) -> ClipPlan:
        rgb = self.settings.rgb
        return plan_clips(
            num_frames,
            max_frames=self.settings.frames.max_frames,
            clip_length=rgb.clip_length,
            max_clips=rgb.clip_limit,
        )
