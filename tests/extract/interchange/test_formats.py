"""A request becomes the format that it names, with the pipeline's settings where it is silent."""

import numpy as np
import pytest
from published_folders import write_features, write_keypoints
from small_stores import POSE, pose_video, write_store

from extract.interchange.import_command import open_format
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
    (folder / "coco").mkdir()
    (folder / "coco" / "a.json").write_text("[]")
    return folder


def test_every_format_can_be_made(source, tmp_path):
    frame_map = tmp_path / "frames.csv"
    frame_map.write_text("video_id,clip,num_frames,first_frame,frame_step\na,0,20,0,1\n")
    (source / "a.pose").touch()
    opened = {
        "published-keypoints": make("published-keypoints", source / "keypoints"),
        "published-features": make("published-features", source / "features"),
        "npy": make("npy", source, frame_map=frame_map),
        "pose": make("pose", source),
        "openpose": make("openpose", source),
        "coco-wholebody": make("coco-wholebody", source / "coco"),
    }
    for name, files in opened.items():
        assert files.provenance.imported_from.format == name
        assert files.provenance.kind == ("rgb" if name in ("npy", "published-features") else "pose")


def test_an_option_comes_before_the_pipeline(source):
    def facts_of(settings=SETTINGS, **options):
        files = make("published-keypoints", source / "keypoints", settings, **options)
        video = files.read(*files.items)
        return video.width, video.height, video.fps, files.provenance.timeline.folder_fps

    assert facts_of() == (210, 260, 30.0, 30.0)
    assert facts_of(image_size=(264, 248), fps=24.0) == (264, 248, 24.0, 24.0)
    slow = ExtractSettings.model_validate({"imports": {"image_size": (280, 280), "fps": 12.0}})
    assert facts_of(slow) == (280, 280, 12.0, 12.0)


def test_an_index_gives_names(tmp_path):
    index = tmp_path / "index.csv"
    index.write_text("video_id,path,alias\na,a.mp4,published name\n")
    write_keypoints(tmp_path, "published name", 3)
    (item,) = make("published-keypoints", tmp_path, index=index).items
    assert item.video_id == "a"


def test_a_pose_store_plans_the_clips(source, tmp_path):
    pose = write_store(tmp_path / "pose.zarr", POSE, [pose_video("a", 30)])
    settings = ExtractSettings.model_validate({"rgb": {"frames": "hands"}})
    form = make("published-features", source / "features", settings, pose=pose)
    assert form.read(*form.items).rows["frames"].shape == (15, 16)


def test_options_that_decide_nothing_are_refused(tmp_path):
    with pytest.raises(UsageError, match="--pose is for published-features, not for npy"):
        make("npy", tmp_path, pose=tmp_path)
    with pytest.raises(UsageError, match="--frame-map is for npy, not for pose"):
        make("pose", tmp_path, frame_map=tmp_path)


def test_a_source_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="none does not exist"):
        make("pose", tmp_path / "none")
