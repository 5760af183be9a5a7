import numpy as np
import pytest
from PIL import Image
from video_files import numbered_frame, numbered_video, read_number

from extract.videos.frame_source import open_frames
from extract.videos.part import Crop, VideoPart


def test_files_and_folders_are_read_alike(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(5):
        Image.fromarray(numbered_frame(number)).save(folder / f"{number}.png")
    file = numbered_video(tmp_path / "v.mp4", 5, fps=30)
    for path, fps in ((folder, 25.0), (file, 30.0)):
        source = open_frames(path, folder_fps=25.0)
        properties = source.properties
        assert (properties.fps, properties.num_frames) == (fps, 5)
        assert (properties.width, properties.height) == (128, 96)
        assert [read_number(frame) for frame in source.frames()] == list(range(5))


@pytest.fixture
def recordings(tmp_path):
    """The same 20 frames as a folder and as a file."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(20):
        Image.fromarray(numbered_frame(number)).save(folder / f"{number}.png")
    return folder, numbered_video(tmp_path / "v.mp4", 20)


def test_files_and_folders_have_the_same_parts(recordings):
    for path in recordings:
        source = open_frames(path, 25.0, part=VideoPart(0.4, 0.58))
        assert source.properties.num_frames == 6
        assert [read_number(frame) for frame in source.frames()] == list(range(10, 16))


@pytest.mark.parametrize("start", [None, 0.4])
def test_files_and_folders_are_cropped_and_resized(recordings, start):
    part = VideoPart(start, None, Crop(0, 0, 128, 48), (64, 64))
    for path in recordings:
        whole = list(open_frames(path, 25.0, part=VideoPart(start)).frames())
        source = open_frames(path, 25.0, part=part)
        assert (source.properties.width, source.properties.height) == (64, 64)
        expected = [np.asarray(Image.fromarray(f[:48]).resize((64, 64))) for f in whole]
        np.testing.assert_array_equal(list(source.frames()), expected)
