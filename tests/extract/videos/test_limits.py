"""A video that asks for too much is refused, cheaply, with the limit and its setting."""

import os
import struct
import time
import zlib

import pytest
from video_files import numbered_frames, numbered_video, write_video

from extract.run.loop import decode_pool
from extract.settings import RunSettings
from extract.videos.decode_pool import DecodePool
from extract.videos.decoding import ChunkMemory, DecodeJob, VideoEnded, decode_events
from extract.videos.limits import DecodeRules
from extract.videos.part import VideoError


def refusal(path, **limits):
    """Why a video is refused, and how many seconds of a processor that took."""
    began = time.process_time()
    with pytest.raises(VideoError) as refused:
        list(decode_events(DecodeJob("v", path, rules=DecodeRules(**limits)), ChunkMemory()))
    return refused.value.reason, time.process_time() - began


def png_of(width, height):
    """A PNG file that promises its size and holds a row or two."""

    def block(kind, content):
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(2 * (3 * width + 1)))
    return (
        b"\x89PNG\r\n\x1a\n" + block(b"IHDR", header) + block(b"IDAT", pixels) + block(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [8193, 12_000, 100_000])
def test_a_huge_image_takes_neither_memory_nor_time(tmp_path, side):
    for number in range(2):
        (tmp_path / f"frame{number}.png").write_bytes(png_of(side, side))
    reason, seconds = refusal(tmp_path)
    assert reason.startswith("frame0.png has")
    assert "over the limit of 67,108,864" in reason
    assert "extract.run.max_pixels" in reason
    assert seconds < 1


def test_ten_hours_of_a_frame_a_second_are_refused_before_they_are_decoded(tmp_path):
    still = list(numbered_frames(1))
    path = write_video(
        tmp_path / "v.mp4", still * 41, times=[900 * 25 * n for n in range(41)], options={"bf": "0"}
    )
    reason, _ = refusal(path)
    assert reason == (
        "is 10.0 hours long, over the limit of 6: a larger extract.run.max_video_hours would "
        "allow it"
    )


def test_too_many_frames_of_a_file_and_of_a_folder(tmp_path):
    path = numbered_video(tmp_path / "v.mp4", 30)
    for number in range(30):
        (tmp_path / f"frame{number}.png").write_bytes(png_of(8, 2))
    for source in (path, tmp_path):
        reason, _ = refusal(source, max_video_frames=29)
        assert reason.startswith("has 30 frames, over the limit of 29")
        assert "extract.run.max_video_frames" in reason


def test_decoding_ends_at_its_seconds_of_a_processor(tmp_path):
    path = numbered_video(tmp_path / "v.mp4", 400)
    reason, seconds = refusal(path, max_decode_seconds=0.01)
    assert "over the limit of 0.01 s" in reason
    assert "extract.run.max_decode_seconds" in reason
    assert seconds < 5


def test_time_that_the_reader_takes_does_not_count(tmp_path):
    path = numbered_video(tmp_path / "v.mp4", 30)
    job = DecodeJob("v", path, chunk_frames=10, rules=DecodeRules(max_decode_seconds=1.0))
    events = []
    for event in decode_events(job, ChunkMemory()):
        events.append(event)
        time.sleep(0.3)
    assert isinstance(events[-1], VideoEnded)


def test_a_decoder_without_enough_memory_fails_with_its_video_only(tmp_path):
    large = write_video(tmp_path / "large.mp4", numbered_frames(3, 4096, 4096))
    small = numbered_video(tmp_path / "small.mp4", 5)
    with DecodePool(1, 60.0, DecodeRules(decoder_memory_gb=0.1)) as pool:
        jobs = [DecodeJob("large", large), DecodeJob("small", small)]
        outcomes = []
        for video in pool.stream(jobs):
            try:
                outcomes.append(sum(len(chunk.frames) for chunk in video.chunks()))
            except VideoError as error:
                outcomes.append(error.reason)
    assert outcomes[1] == 5
    assert outcomes[0].endswith(
        "; decoding it takes memory, over the limit of 0.1 GB: a larger "
        "extract.run.decoder_memory_gb would allow it"
    )


def test_settings_reach_the_decoders(tmp_path):
    settings = RunSettings(max_video_frames=29, decode_workers=1)
    job = DecodeJob("v", numbered_video(tmp_path / "v.mp4", 30))
    with decode_pool(settings) as pool:
        with pytest.raises(VideoError, match="limit of 29"):
            list(pool.decode(job).chunks())
        for video in pool.stream([job]):
            with pytest.raises(VideoError, match="limit of 29"):
                list(video.chunks())


def test_the_usual_limits_are_those_of_the_settings():
    settings = RunSettings()
    for name, value in vars(DecodeRules()).items():
        assert getattr(settings, name) == value


@pytest.mark.parametrize("change", ["grows", "is replaced", "vanishes"])
def test_a_file_that_changes_while_it_is_read_is_not_taken(tmp_path, change):
    path = numbered_video(tmp_path / "v.mp4", 60)
    other = numbered_video(tmp_path / "other.mp4", 20)
    events = decode_events(DecodeJob("v", path, chunk_frames=10), ChunkMemory())
    next(events), next(events)
    if change == "grows":
        with path.open("ab") as file:
            file.write(b"more")
    elif change == "is replaced":
        os.replace(other, path)
    else:
        path.unlink()
    reasons = {"vanishes": "cannot be read: "}
    with pytest.raises(VideoError, match=reasons.get(change, "was changed while it was read")):
        list(events)


def test_a_folder_that_grows_while_it_is_read_is_not_taken(tmp_path):
    for number in range(20):
        (tmp_path / f"frame{number:02d}.png").write_bytes(png_of(8, 2))
    events = decode_events(DecodeJob("v", tmp_path, chunk_frames=5), ChunkMemory())
    next(events), next(events)
    (tmp_path / "frame20.png").write_bytes(png_of(8, 2))
    with pytest.raises(VideoError, match="was changed while it was read"):
        list(events)
