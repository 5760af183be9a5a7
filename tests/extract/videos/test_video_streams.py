"""One video stream is chosen, once, whichever decoder reads a file or a part of it."""

from fractions import Fraction

import av
import pytest
from av.stream import Disposition
from video_files import numbered_frame, numbered_video, read_number, write_video

from extract.videos import decord_frames
from extract.videos.frame_source import RecordingPart, VideoFile
from extract.videos.part import VideoPart

SMALL, LARGE = (64, 48), (128, 96)
COUNT = 20


def write_streams(path, *sizes, default=None):
    """Streams of numbers: the first begins at 0, the second at 1000."""
    with av.open(str(path), "w") as container:
        streams = []
        for width, height in sizes:
            stream = container.add_stream("libx264", rate=25, options={"g": "5"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.disposition = Disposition(0)
            streams.append(stream)
        if default is not None:
            streams[default].disposition = Disposition.default
        for time in range(COUNT):
            for place, stream in enumerate(streams):
                number = numbered_frame(1000 * place + time, stream.width, stream.height)
                frame = av.VideoFrame.from_ndarray(number, format="rgb24")
                frame.pts, frame.time_base = time, Fraction(1, 25)
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


CHOICES = {  # what there is, and the number with which the chosen stream begins
    "the largest": ((SMALL, LARGE), None, 1000),
    "the first of equals": ((LARGE, LARGE), None, 0),
    "the one marked as default": ((LARGE, LARGE), 1, 1000),
    "default before larger": ((LARGE, SMALL), 1, 1000),
}


@pytest.mark.parametrize("suffix", ["mkv", "mov"])
@pytest.mark.parametrize("name", CHOICES)
def test_all_that_is_read_comes_from_one_stream(tmp_path, monkeypatch, name, suffix):
    sizes, default, begin = CHOICES[name]
    path = write_streams(tmp_path / f"v.{suffix}", *sizes, default=default)
    if suffix == "mov":  # its writer marks the first stream as default if none is marked
        begin = begin if default is not None else 0
    size = sizes[begin // 1000]
    for max_bytes in (decord_frames._MAX_DECODED_BYTES, 0):
        monkeypatch.setattr(decord_frames, "_MAX_DECODED_BYTES", max_bytes)
        video = VideoFile(path)
        assert (video.properties.width, video.properties.height) == size
        frames = list(video.frames())
        assert [frame.shape[1::-1] for frame in frames] == [size] * COUNT
        assert [read_number(frame) for frame in frames] == list(range(begin, begin + COUNT))
    part = RecordingPart(path, VideoPart(0.3, 0.5))
    assert [read_number(frame) for frame in part.frames()] == list(range(begin + 7, begin + 14))


def test_a_cover_picture_is_never_the_video(tmp_path):
    large = [numbered_frame(1000, 512, 384)]
    cover = write_video(tmp_path / "cover.png", large, codec="png", pixel_format="rgb24")
    film = numbered_video(tmp_path / "film.mp4", COUNT)
    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as new, av.open(str(cover)) as first, av.open(str(film)) as second:
        streams = []
        for old in (first, second):
            stream = new.add_stream_from_template(old.streams.video[0])
            streams.append((old, stream))
        streams[0][1].disposition = Disposition.attached_pic
        streams[1][1].disposition = Disposition(0)
        for old, stream in streams:
            for packet in old.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    new.mux(packet)
    with av.open(str(path)) as written:
        marks = {stream.disposition: stream.width for stream in written.streams.video}
    assert marks == {Disposition.default: 128, Disposition.attached_pic: 512}
    assert [read_number(frame) for frame in VideoFile(path).frames()] == list(range(COUNT))
