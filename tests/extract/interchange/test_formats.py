"""A request becomes the format that it names, with the pipeline's settings where it is silent."""

import numpy as np
import pytest
from published_folders import write_features, write_keypoints
from small_stores import POSE, pose_video, write_store

from extract.interchange.import_command import open_format
from extract.interchange.imported import VideoFacts
from extract.interchange.npy_features import NpyFeatures
from extract.interchange.openpose import OpenPoseFolders
from extract.interchange.pose_files import PoseFiles
from extract.interchange.published_features import PublishedFeatures
from extract.interchange.published_keypoints import PublishedKeypoints
from extract.settings import ExtractSettings
from seds_core.errors import UsageError

SETTINGS = ExtractSettings.model_validate(
    {"frames": {"folder_fps": 30.0}, "imports": {"image_size": (210, 260)}}
)


def make(form, source, settings=SETTINGS, **options):
    return open_format(form, source, settings, **options)


@pytest.fixture
def source(tmp_path):
    """Folders with a file of every format in them, each of the video a."""
    folder = tmp_path / "source"
    write_keypoints(folder / "keypoints", "a", 3)
    write_features(folder / "features", "a", 15)
    np.save(folder / "a.npy", np.ones((1, 8), np.float32))
    return folder


def facts_of(form):
    assert isinstance(form, PublishedKeypoints)
    return form.facts("a")


def test_every_format_can_be_made(source, tmp_path):
    frame_map = tmp_path / "frames.csv"
    frame_map.write_text("video_id,clip,num_frames,first_frame,frame_step\na,0,20,0,1\n")
    assert isinstance(make("published-keypoints", source / "keypoints"), PublishedKeypoints)
    assert isinstance(make("published-features", source / "features"), PublishedFeatures)
    assert isinstance(make("npy", source, frame_map=frame_map), NpyFeatures)
    assert isinstance(make("pose", source), PoseFiles)
    assert isinstance(make("openpose", source), OpenPoseFolders)
    assert make("coco-wholebody", source).provenance.kind == "pose"


def test_the_request_comes_before_the_pipeline(source):
    keypoints = source / "keypoints"
    assert facts_of(make("published-keypoints", keypoints)) == VideoFacts(210, 260, 30.0)
    asked = make("published-keypoints", keypoints, image_size=(64, 48), fps=24.0)
    assert facts_of(asked) == VideoFacts(64, 48, 24.0)
    slow = ExtractSettings.model_validate({"imports": {"image_size": (8, 8), "fps": 12.0}})
    form = make("published-keypoints", keypoints, slow)
    assert facts_of(form) == VideoFacts(8, 8, 12.0)
    assert form.folder_fps == 12.0


def test_an_index_gives_names(tmp_path):
    index = tmp_path / "index.csv"
    index.write_text("video_id,path,alias\na,a.mp4,published name\n")
    write_keypoints(tmp_path, "published name", 3)
    (item,) = make("published-keypoints", tmp_path, index=index).items()
    assert item.video_id == "a"


def test_a_pose_store_plans_the_clips(source, tmp_path):
    pose = write_store(tmp_path / "pose.zarr", POSE, [pose_video("a", 30)])
    settings = ExtractSettings.model_validate({"rgb": {"frames": "hands"}})
    form = make("published-features", source / "features", settings, pose=pose)
    assert isinstance(form, PublishedFeatures)
    assert form.planned.of("a").num_clips == 15


def test_options_that_decide_nothing_are_refused(tmp_path):
    with pytest.raises(UsageError, match="--pose is for published-features, not for npy"):
        make("npy", tmp_path, pose=tmp_path)
    with pytest.raises(UsageError, match="--frame-map is for npy, not for pose"):
        make("pose", tmp_path, frame_map=tmp_path)


def test_a_source_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="none does not exist"):
        make("pose", tmp_path / "none")
