"""What is drawn of a video's skeleton and clips, and the sheet and film that show it."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from finished_videos import RGB, finished

from extract.inspection.pictures import (
    BODY_COLOUR,
    FILM_WIDTH,
    TILE_WIDTH,
    draw_clip_bar,
    draw_keypoints,
    read_annotation,
    write_label,
    write_pictures,
)
from extract.videos.frame_source import VideoFile
from extract.videos.part import VideoError
from extract.videos.video_writing import write_video
from reference.small_stores import CLIPS, rgb_video, write_store
from reference.small_stores import RGB as SMALL_RGB
from seds_core.errors import UsageError
from seds_core.store.reader import StoreReader
from seds_core.store.records import FinishedVideo
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


def grey_frame():
    return np.full((100, 200, 3), 128, np.uint8)


def shoulders(confidence):
    keypoints = np.full((133, 3), np.nan, np.float32)
    keypoints[:, 2] = 0
    keypoints[5] = (150, 50, confidence)
    keypoints[6] = (50, 50, confidence)
    return keypoints


def test_a_line_is_drawn_where_both_ends_are_sure():
    picture = draw_keypoints(grey_frame(), shoulders(0.9))
    assert tuple(picture[50, 100]) == BODY_COLOUR
    assert tuple(picture[80, 100]) == (128, 128, 128)


def test_weak_points_and_nobody_leave_the_frame_as_it_is():
    for confidence in (0.05, 0.0):
        np.testing.assert_array_equal(
            draw_keypoints(grey_frame(), shoulders(confidence)), grey_frame()
        )


def test_the_clip_bar_is_bright_in_the_clips_of_the_frame():
    starts = np.array([0, 50], np.int32)
    picture = draw_clip_bar(grey_frame(), 10, 100, starts, starts + np.int32(50))
    first, second = picture[100], picture[-2]
    assert first[:99].max() > 200
    assert first[101:].max() == 24
    assert second[:100].max() in (24, 255)  # nothing but the mark of the present frame
    assert 24 < second[101:].max() < 200


def test_a_label_can_be_read_on_any_background():
    picture = grey_frame()
    write_label(picture, "frame 7")
    assert picture.min() < 40
    assert picture.max() > 215


def clips_of(path):
    return read_annotation([StoreReader(path)], "a").clips


def test_evenly_spaced_clips_end_after_their_last_frame(tmp_path):
    clips = clips_of(write_store(tmp_path / "rgb.zarr", SMALL_RGB, [rgb_video("a", 95)]))
    np.testing.assert_array_equal(clips.end_frames - clips.first_frames, CLIPS.clip_length * 3)


def test_clips_of_named_frames_end_after_the_last_of_these(tmp_path):
    video = rgb_video("a", 40)
    frames = video.rows["first_frame"][:, None] + 2 * np.arange(16, dtype=np.int32)
    steps = np.zeros_like(video.rows["frame_step"])
    video = replace(video, rows=video.rows | {"frames": frames, "frame_step": steps})
    path = write_store(tmp_path / "rgb.zarr", replace(SMALL_RGB, clip_frames=16), [video])
    clips = clips_of(path)
    np.testing.assert_array_equal(clips.end_frames, clips.first_frames + 31)


def test_clips_of_unknown_frames_are_not_drawn(tmp_path):
    video = rgb_video("a", 40)
    unknown = np.full_like(video.rows["first_frame"], -1)
    video = replace(video, rows=video.rows | {"first_frame": unknown})
    assert clips_of(write_store(tmp_path / "rgb.zarr", SMALL_RGB, [video])) is None
