"""A folder of images is a video like any other."""

import os

import numpy as np
import pytest
from PIL import Image
from video_files import numbered_frame, numbered_frames, numbered_video, read_number

from extract.videos.frame_folder import FrameFolder, frame_names, frame_notes
from extract.videos.frame_source import open_frames
from extract.videos.part import Crop, VideoError, VideoPart


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


RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "PA", "RGB", "RGBX", "RGBA", "CMYK", "YCbCr"])
def test_every_kind_of_image_becomes_rgb(tmp_path, mode):
    folder = tmp_path / "video"
    folder.mkdir()
    image = Image.fromarray(RAMP).convert("RGB" if mode in ("CMYK", "YCbCr", "RGBX") else "L")
    suffix = {"PA": "TIFF", "RGBX": "TIFF", "CMYK": "TIFF", "YCbCr": "TIFF"}.get(mode, "PNG")
    image.convert(mode).save(folder / "0.png", suffix)
    [frame] = FrameFolder(folder, 25.0).frames()
    assert frame.dtype == np.uint8
    assert np.abs(frame.astype(int) - RAMP[..., None]).max() <= 1


def test_what_is_transparent_shows_its_colour(tmp_path):
    """As for ffmpeg and OpenCV."""
    folder = tmp_path / "video"
    folder.mkdir()
    Image.new("RGBA", (8, 6), (10, 20, 30, 0)).save(folder / "0.png")
    palette = Image.new("P", (8, 6), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    palette.save(folder / "1.png", transparency=1)
    for frame in FrameFolder(folder, 25.0).frames():
        assert frame[3, 3].tolist() == [10, 20, 30]


@pytest.mark.parametrize("byte_order", ["<u2", ">u2"])
@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_16_bits_are_scaled_and_not_clipped(tmp_path, file_format, byte_order):
    folder = tmp_path / "video"
    folder.mkdir()
    values = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    mode = "I;16B" if byte_order == ">u2" else "I;16"
    image = Image.frombytes(mode, (16, 16), values.astype(byte_order).tobytes())
    image.save(folder / "0.png", file_format)
    [frame] = FrameFolder(folder, 25.0).frames()
    assert np.array_equal(frame, np.repeat((values >> 8).astype(np.uint8)[..., None], 3, axis=2))


def test_16_bit_grey_of_an_older_pillow(tmp_path, monkeypatch):
    """Which opens it with 32 bits a value."""
    folder = write_folder(tmp_path / "video", ["0.png"], 2, 1)
    image = Image.fromarray(np.array([[0, 65535]], np.int32))
    image.format = "PNG"
    monkeypatch.setattr(Image, "open", lambda _: image)
    [frame] = FrameFolder(folder, 25.0).frames()
    assert frame[..., 0].tolist() == [[0, 255]]


@pytest.mark.parametrize(("mode", "dtype"), [("I", np.int32), ("F", np.float32)])
def test_values_of_an_unknown_range_are_refused(tmp_path, mode, dtype):
    folder = tmp_path / "video"
    folder.mkdir()
    Image.fromarray(np.full((4, 4), 1000, dtype)).save(folder / "0.png", "TIFF")
    with pytest.raises(VideoError, match=rf"0\.png .*'{mode}'"):
        list(FrameFolder(folder, 25.0).frames())


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
    with pytest.raises(VideoError, match="64x48 pixels, over the limit of 1,000"):
        FrameFolder(folder, 25.0, max_pixels=1000)


def test_strays_are_no_frames(tmp_path):
    folder = write_folder(tmp_path / "video", ["1.png", "2.png", "cover.png"])
    source = FrameFolder(folder, 25.0)
    assert [read_number(frame) for frame in source.frames()] == [0, 1]
    assert ["cover.png" in note for note in source.properties.notes] == [True]


def test_gaps_between_the_numbers_are_noted(tmp_path):
    names = [f"images{i:04d}.png" for i in range(1, 21) if i not in (5, 6, 13)]
    folder = write_folder(tmp_path / "video", names, 16, 16)
    [note] = FrameFolder(folder, 25.0).properties.notes
    assert "3" in note
    assert "(5, 6, 13)" in note
    part = FrameFolder(folder, 10.0, part=VideoPart(0.3, 0.7)).properties
    assert part.num_frames == 5  # images 4 to 10, of which two are missing
    assert "(5, 6)" in part.notes[0]


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


def notes(names):
    return frame_notes(frame_names(names))


@pytest.mark.parametrize(
    "names",
    [
        ["3.png", "4.png", "5.png"],  # the beginning was cut off
        ["0.png", "5.png", "10.png", "15.png"],  # every fifth
        ["a2_01.png", "a2_02.png", "a2_03.png"],
        ["t_0.png", "t_33.png", "t_67.png", "t_100.png"],  # milliseconds
        ["12.59.9.png", "13.00.0.png", "13.00.8.png"],  # several numbers
        ["1.png", "90.png"],
        ["start.png", "end.png"],
    ],
)
def test_whole_series_are_not_remarked_upon(names):
    assert notes(names) == ()


def test_missing_numbers_are_counted_and_some_are_named():
    [note] = notes([f"{i}.png" for i in (0, 5, 10, 25, 30)])
    assert "2 by" in note
    assert "(15, 20)" in note
    [note] = notes([f"{i}.png" for i in (1, 2, 3, 10**9)])
    assert f"{10**9 - 4:,} by" in note
    assert "(4, 5, 6, 7, 8)" in note


def test_numbers_that_occur_twice_are_named():
    [note] = notes(["1.png", "01.png", "2.png"])
    assert "twice (1)" in note


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
