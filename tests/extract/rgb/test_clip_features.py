"""Streaming gives what gathering all windows at once gives, in bounded memory."""

import weakref
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from extract.rgb.backbones import KINETICS_I3D, Backbone
from extract.rgb.i3d_network import VideoNetwork
from extract.rgb.rgb_stream import clip_features
from seds_core.store.provenance import WeightsRecord

CLIP_LENGTH = 4
WEIGHTS = WeightsRecord(name="random", source="test", sha256="0", is_random=True)


class PatchNetwork(VideoNetwork):
    """Shows its input: one pixel's three channels in every frame of the clip."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def features(self, clips: Tensor) -> Tensor:
        self.batches.append(len(clips))
        return clips[..., 0, 0].flatten(1)


@pytest.fixture
def backbone() -> Backbone:
    return Backbone(
        name="patch",
        network=PatchNetwork(),
        device=torch.device("cpu"),
        preparation=KINETICS_I3D,
        clip_length=CLIP_LENGTH,
        feature_dim=3 * CLIP_LENGTH,
        weights=WEIGHTS,
    )


def video(num_frames: int) -> np.ndarray:
    rng = np.random.default_rng(num_frames)
    return rng.integers(0, 256, (num_frames, 256, 256, 3), np.uint8)


def all_windows_at_once(backbone: Backbone, frames: np.ndarray, starts: Sequence[int]) -> Tensor:
    prepared = backbone.prepare(torch.from_numpy(frames))
    missing = max(0, CLIP_LENGTH - len(frames))
    prepared = torch.cat([prepared, *[prepared[:, -1:]] * missing], dim=1)
    return backbone.features(torch.stack([prepared[:, s : s + CLIP_LENGTH] for s in starts]))


@pytest.mark.parametrize("chunk_sizes", [(11,), (1,) * 11, (2, 9), (7, 3, 1)])
@pytest.mark.parametrize("starts", [range(8), (0, 3, 7), (5,), (0, 7)])
def test_streaming_equals_all_windows_at_once(
    backbone: Backbone, chunk_sizes: tuple[int, ...], starts: Sequence[int]
) -> None:
    frames = video(11)
    chunks = np.split(frames, np.cumsum(chunk_sizes)[:-1])
    features = clip_features(backbone, chunks, starts, batch_size=3)
    expected = all_windows_at_once(backbone, frames, starts)
    np.testing.assert_array_equal(features, expected.numpy())


@pytest.mark.parametrize("num_frames", [1, 3, 4])
def test_a_short_video_repeats_its_last_frame(backbone: Backbone, num_frames: int) -> None:
    frames = video(num_frames)
    features = clip_features(backbone, [frames], [0], batch_size=8)
    np.testing.assert_array_equal(features, all_windows_at_once(backbone, frames, [0]).numpy())


def test_batches_are_cut_from_the_video_alone(backbone: Backbone) -> None:
    clip_features(backbone, np.split(video(11), 11), range(8), batch_size=3)
    assert backbone.network.batches == [3, 3, 2]


def test_no_clips_give_no_rows(backbone: Backbone) -> None:
    assert clip_features(backbone, [video(5)], [], batch_size=2).shape == (0, 3 * CLIP_LENGTH)


def test_memory_does_not_grow_with_the_video(backbone: Backbone) -> None:
    alive: list[weakref.ref[np.ndarray]] = []

    def chunks() -> Iterator[np.ndarray]:
        for _ in range(40):
            assert sum(chunk() is not None for chunk in alive) <= 4
            chunk = np.zeros((2, 256, 256, 3), np.uint8)
            alive.append(weakref.ref(chunk))
            yield chunk

    clip_features(backbone, chunks(), range(77), batch_size=4)
    assert len(alive) == 40


def test_reading_ends_with_the_last_clip(backbone: Backbone) -> None:
    def chunks() -> Iterator[np.ndarray]:
        yield video(5)
        pytest.fail("frames after the last clip were asked for")

    clip_features(backbone, chunks(), [0, 1], batch_size=1)


def test_frames_in_read_only_memory_are_accepted(backbone: Backbone) -> None:
    frames = video(4)
    frames.setflags(write=False)
    assert len(clip_features(backbone, [frames], [0], batch_size=1)) == 1


@pytest.mark.parametrize("starts", [[1, 0], [0, 0], [-1, 0]])
def test_starts_that_do_not_ascend_are_refused(backbone: Backbone, starts: list[int]) -> None:
    with pytest.raises(ValueError, match="must ascend"):
        clip_features(backbone, [video(6)], starts, batch_size=1)


@pytest.mark.parametrize(("num_frames", "start", "needed"), [(6, 3, 7), (0, 0, 4)])
def test_a_clip_beyond_the_video_is_refused(
    backbone: Backbone, num_frames: int, start: int, needed: int
) -> None:
    message = f"frame {start} needs {needed} frames, the video gave {num_frames}"
    with pytest.raises(ValueError, match=message):
        clip_features(backbone, [video(num_frames)], [start], batch_size=1)


def test_features_that_are_not_finite_are_refused(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        PatchNetwork, "features", lambda _self, clips: clips[..., 0, 0].flatten(1) / 0
    )
    with pytest.raises(ValueError, match="not finite in float32"):
        clip_features(backbone, [video(4)], [0], batch_size=1)
