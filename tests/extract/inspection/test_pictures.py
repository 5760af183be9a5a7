"""The sheet and the film show the video that the stores say they hold."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from finished_videos import RGB, finished

from extract.inspection.pictures import FILM_WIDTH, TILE_WIDTH, write_pictures
from extract.videos.frame_source import VideoFile
from extract.videos.part import VideoError
from extract.videos.video_writing import write_video
from seds_core.errors import UsageError
from seds_core.store.staging import FinishedVideo
from seds_core.store.writer import StoreWriter

NUM_FRAMES = 20


@pytest.fixture
def stores(tmp_path):
    video = tmp_path / "a.mp4"
    write_video(video, np.full((NUM_FRAMES, 48, 64, 3), 90, np.uint8), 25.0)
    source = replace(finished("a").source, path=str(video), num_frames=NUM_FRAMES)
    keypoints = np.full((NUM_FRAMES, 133, 3), 0.9, np.float32)
    keypoints[:, 5, :2], keypoints[:, 6, :2] = (50, 24), (10, 24)
    pose = {
        "keypoints": keypoints,
        "person_found": np.ones(NUM_FRAMES, bool),
        "person_box": np.zeros((NUM_FRAMES, 4), np.float32),
        "frame": np.arange(NUM_FRAMES, dtype=np.int32),
    }
    clips = {
        "features": np.zeros((2, 8), np.float32),
        "first_frame": np.array([0, 4], np.int32),
        "frame_step": np.ones(2, np.int32),
    }
    paths = tmp_path / "pose.zarr", tmp_path / "rgb.zarr"
    for path, made, rows in zip(
        paths, (replace(RGB, kind="pose", rgb=None), RGB), (pose, clips), strict=True
    ):
        with StoreWriter(path, made) as writer:
            writer.want(["a"])
            writer.claim()
            writer.finish(FinishedVideo(source, rows))
    return paths


def test_the_sheet_has_twelve_tiles_with_skeleton_and_clip_bar(stores, tmp_path):
    [picture] = write_pictures(stores, "a", tmp_path / "sheet.png", with_film=False)
    sheet = cv2.cvtColor(cv2.imread(str(picture)), cv2.COLOR_BGR2RGB)
    tile_height = TILE_WIDTH * 48 // 64
    assert sheet.shape[1] == 4 * TILE_WIDTH
    assert sheet.shape[0] > 3 * tile_height  # the clip bars take place too
    shoulder_line = sheet[round(24.5 * TILE_WIDTH / 64), round(30 * TILE_WIDTH / 64)]
    assert shoulder_line[1] > shoulder_line[0] + 50


def test_the_film_has_every_frame(stores, tmp_path):
    _, film = write_pictures(stores, "a", tmp_path / "sheet.png", with_film=True)
    source = VideoFile(film)
    assert source.properties.width == FILM_WIDTH
    assert len(list(source.frames())) == NUM_FRAMES


def test_a_video_that_is_not_there_is_named(stores, tmp_path):
    with pytest.raises(UsageError, match="has no video 'b': it was never extracted"):
        list(write_pictures(stores, "b", tmp_path / "sheet.png", with_film=False))
    (tmp_path / "a.mp4").unlink()
    with pytest.raises(VideoError, match="does not exist"):
        list(write_pictures(stores, "a", tmp_path / "sheet.png", with_film=False))


@pytest.mark.parametrize("name", ["sheet", "sheet.", "sheet.mp4", "sheet.txt", "."])
def test_a_name_without_a_pictures_ending_is_refused(stores, tmp_path, name):
    with pytest.raises(UsageError, match=r"must end like a picture's, such as .*\.png"):
        list(write_pictures(stores, "a", tmp_path / name, with_film=False))


def test_a_picture_that_cannot_be_written_is_an_error(stores, tmp_path):
    written = []
    with pytest.raises(OSError, match=r"nowhere/sheet\.png"):
        written += write_pictures(stores, "a", tmp_path / "nowhere" / "sheet.png", with_film=False)
    assert written == []
