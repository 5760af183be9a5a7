import os

import numpy as np
import pytest
from PIL import Image
from video_files import numbered_frame, numbered_frames, read_number

from extract.decoding.frame_folder import FrameFolder
from extract.decoding.video_error import VideoError
from extract.decoding.video_part import VideoPart


def write_folder(folder, names, width=64, height=48):
    folder.mkdir()
    for number, name in enumerate(names):
        Image.fromarray(numbered_frame(number, width, height)).save(folder / name)
    return folder


@pytest.mark.parametrize("name", ["images{:04d}.png", "{:06d}.jpg", "{}.PNG", "frame-{}.bmp"])
def test_reads_frames_in_natural_order(tmp_path, name):
    folder = write_folder(tmp_path / "video", [name.format(i) for i in range(12)])
    source = FrameFolder(folder, 25.0)
    assert [read_number(frame) for frame in source.frames()] == list(range(12))
    properties = source.properties
    assert (properties.width, properties.height, properties.num_frames) == (64, 48, 12)
    assert (properties.fps, properties.duration) == (25.0, 12 / 25)


def test_passes_over_other_files(tmp_path):
    folder = write_folder(tmp_path / "video", ["1.png", "2.png"])
    for name in ("._1.png", ".DS_Store", "notes.txt", "1.npy"):
        (folder / name).write_bytes(b"?")
    (folder / "3.png").mkdir()
    (folder / "3.png").rmdir()
    assert FrameFolder(folder, 25.0).properties.num_frames == 2


def test_lossless_images_come_back_exactly(tmp_path):
    folder = write_folder(tmp_path / "video", ["0.png", "1.png", "2.png"])
    assert np.array_equal(list(FrameFolder(folder, 25.0).frames()), numbered_frames(3, 64, 48))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA"])
def test_every_kind_of_image_becomes_rgb(tmp_path, mode):
    folder = tmp_path / "video"
    folder.mkdir()
    Image.new(mode, (8, 6)).save(folder / "0.png")
    assert next(FrameFolder(folder, 25.0).frames()).shape == (6, 8, 3)


def test_turns_photos_upright_once(tmp_path):
    folder = tmp_path / "video"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    lying = np.rot90(numbered_frame(5, 64, 48))
    Image.fromarray(lying).save(folder / "0.png", exif=exif)
    source = FrameFolder(folder, 25.0)
    assert (source.properties.width, source.properties.height) == (64, 48)
    assert [read_number(frame) for frame in source.frames()] == [5]


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_an_image_that_is_cut_off_is_an_error(tmp_path, suffix):
    folder = write_folder(tmp_path / "video", [f"{i}.{suffix}" for i in range(3)])
    path = folder / f"1.{suffix}"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(VideoError, match=rf"1\.{suffix} is no readable image"):
        list(FrameFolder(folder, 25.0).frames())


def test_names_the_image_of_another_size(tmp_path):
    folder = write_folder(tmp_path / "video", ["0.png", "1.png"])
    Image.fromarray(numbered_frame(2, 32, 48)).save(folder / "2.png")
    with pytest.raises(VideoError, match=r"2\.png is 32x48 pixels, 0\.png is 64x48"):
        list(FrameFolder(folder, 25.0).frames())


def test_refuses_huge_images(tmp_path):
    folder = write_folder(tmp_path / "video", ["0.png"])
    with pytest.raises(VideoError, match="64x48 pixels are over the limit of 1,000"):
        FrameFolder(folder, 25.0, max_pixels=1000)


def test_a_folder_without_images_is_an_error(tmp_path):
    (tmp_path / "notes.txt").write_text("?")
    with pytest.raises(VideoError, match="folder without images"):
        FrameFolder(tmp_path, 25.0)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_an_error(tmp_path):
    tmp_path.chmod(0)
    try:
        with pytest.raises(VideoError, match="permission denied"):
            FrameFolder(tmp_path, 25.0)
    finally:
        tmp_path.chmod(0o700)


def test_a_part_has_its_images_only(tmp_path):
    folder = write_folder(tmp_path / "video", [f"{i}.png" for i in range(30)])
    Image.fromarray(numbered_frame(3, 32, 32)).save(folder / "3.png")  # beside the part
    source = FrameFolder(folder, 10.0, part=VideoPart(1.0, 1.95))
    assert [read_number(frame) for frame in source.frames()] == list(range(10, 21))
    assert (source.properties.num_frames, source.properties.duration) == (11, 1.1)
    with pytest.raises(VideoError, match="begins at 3 s, the recording has 30 frames"):
        FrameFolder(folder, 10.0, part=VideoPart(3.0, 4.0))
