from dataclasses import replace
from pathlib import Path

import pytest
import torch

from extract.run.streams import extraction_device, known_provenance, load_stream
from extract.settings import ExtractSettings
from reference.small_stores import WHOLE_POSE, whole_pose_video, write_store
from seds_core.errors import UsageError

HANDS = ExtractSettings.model_validate({"rgb": {"frames": "hands", "weights": "random"}})
ALL = ExtractSettings.model_validate({"rgb": {"weights": "random"}})


def test_frames_with_hands_need_a_pose_store():
    with pytest.raises(UsageError, match=r"--pose STORE.*--frames all"):
        load_stream("rgb", HANDS, "cpu")


def test_a_pose_store_that_would_not_be_used_is_refused():
    with pytest.raises(UsageError, match=r"pose\.zarr would not be used.*--frames hands"):
        load_stream("rgb", ALL, "cpu", Path("pose.zarr"))


def test_the_stream_has_the_store_and_the_rules(tmp_path):
    path = write_store(tmp_path / "pose.zarr", WHOLE_POSE, [whole_pose_video("a", 20)])
    stream = load_stream("rgb", HANDS, "cpu", path)
    assert (stream.kept_frames.pose.place.path, stream.kept_frames.rules) == (path, "custom")
    assert load_stream("rgb", ALL, "cpu").kept_frames is None


def test_what_decides_rows_is_known_without_the_network(tmp_path, weights_file):
    """It must be what the loaded stream says, but for the device."""
    path = write_store(tmp_path / "pose.zarr", WHOLE_POSE, [whole_pose_video("a", 20)])
    for frames, pose_store in (("all", None), ("hands", path)):
        changes = {"frames": frames, "backbone": "s3d", "weights": str(weights_file)}
        settings = ExtractSettings.model_validate({"rgb": changes})
        known = known_provenance("rgb", settings, pose_store)
        loaded = load_stream("rgb", settings, "cpu", pose_store).provenance
        assert (known.device, loaded.device) == ("", "cpu")
        assert replace(known, device="cpu") == loaded


def test_random_weights_are_not_known_before_they_are_drawn():
    assert known_provenance("rgb", ALL) is None


@pytest.fixture
def weights_file(tmp_path):
    from torchvision.models.video import s3d

    torch.save({"state_dict": s3d().state_dict()}, tmp_path / "s3d.pth")
    return tmp_path / "s3d.pth"


@pytest.fixture
def tf32_allowed():
    """Both switches are on until something turns them off; they belong to the whole process."""
    places = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [place.allow_tf32 for place in places]
    for place in places:
        place.allow_tf32 = True
    yield places
    for place, value in zip(places, before, strict=True):
        place.allow_tf32 = value


def test_float32_is_float32_on_every_device(tf32_allowed):
    extraction_device("cpu")
    assert [place.allow_tf32 for place in tf32_allowed] == [False, False]
