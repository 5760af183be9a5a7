import os
import signal
import time

import pytest
from video_files import numbered_video, read_number

from extract.videos.decode_pool import DecodePool
from extract.videos.decoding import DecodeJob
from extract.videos.frame import FrameFit
from extract.videos.part import FrameCountChanged, VideoError, VideoPart

COUNTS = (40, 1, 75, 20, 33, 60)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    return [numbered_video(folder / f"{i}.mp4", count) for i, count in enumerate(COUNTS)]


@pytest.fixture(scope="module", params=[0, 2], ids=["in this process", "two workers"])
def pool(request):
    with DecodePool(request.param, timeout_s=30.0) as pool:
        yield pool


def jobs(paths, **wishes):
    return [DecodeJob(path.stem, path, **{"chunk_frames": 16, **wishes}) for path in paths]


def read(video):
    return [read_number(frame) for chunk in video.chunks() for frame in chunk.frames]


def pids_of(pool):
    return [worker._process.pid for worker in pool._workers]


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_all_frames_of_all_videos_in_order(pool, videos):
    seen = [
        (video.job.video_id, read(video), video.num_frames) for video in pool.stream(jobs(videos))
    ]
    assert seen == [(str(i), list(range(count)), count) for i, count in enumerate(COUNTS)]


def test_properties_and_identity_arrive(pool, videos):
    for video, path in zip(pool.stream(jobs(videos)), videos, strict=True):
        assert (video.properties.width, video.properties.height) == (128, 96)
        assert [chunk.first for chunk in video.chunks()] == list(range(0, video.num_frames, 16))
        assert video.identity.size_bytes == path.stat().st_size
        assert len(video.identity.content_hash) == 32


def test_frames_are_resized_and_long_videos_thinned(pool, videos):
    for video, count in zip(
        pool.stream(jobs(videos, cut=FrameFit("squash", 48), max_frames=30)), COUNTS, strict=True
    ):
        chunks = [
            (chunk.frames.shape[1:], list(map(read_number, chunk.frames)))
            for chunk in video.chunks()
        ]
        assert {shape for shape, _ in chunks} == {(48, 48, 3)}
        numbers = [number for _, chunk in chunks for number in chunk]
        assert numbers == list(range(0, count, video.frame_step))
        assert video.frame_step == -(-count // 30)


def test_a_bad_file_costs_only_itself(pool, videos, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_text("<html>")
    results = []
    for video in pool.stream(jobs([videos[0], bad, videos[1]])):
        try:
            results.append(len(read(video)))
        except VideoError as error:
            results.append(error.reason)
    assert results == [40, "looks like a web page (HTML): the download failed or needs a login", 1]


def test_parts_of_one_recording_come_in_order_and_fail_alone(pool, videos):
    parts = [VideoPart(0.0, 0.4), VideoPart(9.0), VideoPart(1.0, 1.2), VideoPart(1.0, 1.08)]
    results = []
    for video in pool.stream([DecodeJob(part.fragment, videos[2], part) for part in parts]):
        try:
            results.append(read(video))
        except VideoError as error:
            results.append(error.reason.split(":")[0].split(",")[0])
    assert results == [
        list(range(11)),
        "the part begins at 9 s",
        list(range(25, 31)),
        "the part is too short",
    ]


def test_a_wrong_count_is_told_and_the_video_can_be_decoded_again(pool, videos):
    results = []
    for video in pool.stream(jobs(videos[:4], max_frames=30, num_frames=61)):
        try:
            results.append(read(video))
        except FrameCountChanged as change:
            again = DecodeJob("again", video.job.path, max_frames=30, num_frames=change.num_frames)
            results.append(read(pool.decode(again)))
    assert results == [list(range(0, count, -(-count // 30))) for count in COUNTS[:4]]


def test_videos_that_are_not_read_are_passed_over(pool, videos):
    stream = pool.stream(jobs(videos, chunk_frames=8))
    for video in stream:
        if video.job.video_id == "2":
            assert next(video.chunks()).first == 0  # and no more of it
        elif video.job.video_id == "4":
            assert video.properties.num_frames == 33
        elif video.job.video_id == "5":
            assert read(video) == list(range(60))


def test_a_stream_that_is_left_early_leaves_the_pool_usable(pool, videos):
    for video in pool.stream(jobs(videos)):
        next(video.chunks())
        break
    del video
    assert [len(read(video)) for video in pool.stream(jobs(videos[:2]))] == [40, 1]


def test_jobs_are_taken_only_when_a_decoder_is_free(videos):
    taken = []

    def claims():
        for job in jobs(videos):
            taken.append(job.video_id)
            yield job

    with DecodePool(2) as pool:
        for number, video in enumerate(pool.stream(claims())):
            assert len(taken) - number <= 3
            read(video)
    taken.clear()
    with DecodePool(0) as pool:
        for number, video in enumerate(pool.stream(claims())):
            assert len(taken) == number + 1
            read(video)


def test_a_decoder_that_crashes_costs_one_video(videos):
    with DecodePool(1, timeout_s=30.0) as pool:
        results, pids = [], set()
        for video in pool.stream(jobs([videos[2], videos[0], videos[1]], chunk_frames=1)):
            pids.update(pids_of(pool))
            try:
                chunks = video.chunks()
                next(chunks)
                if video.job.video_id == "2":
                    os.kill(*pids, signal.SIGSEGV)
                    time.sleep(0.1)
                results.append(1 + sum(1 for _ in chunks))
            except VideoError as error:
                results.append(error.reason)
    assert results == ["the decoder crashed (SIGSEGV)", 40, 1]
    assert len(pids) == 2
    assert not any(map(is_running, pids))


def test_a_decoder_that_hangs_costs_one_video(videos):
    with DecodePool(2, timeout_s=1.0) as pool:
        results = []
        for video in pool.stream(
            jobs([videos[2], videos[0], videos[3], videos[1]], chunk_frames=1)
        ):
            try:
                chunks = video.chunks()
                next(chunks)
                if video.job.video_id == "2":
                    os.kill(pids_of(pool)[0], signal.SIGSTOP)
                results.append(1 + sum(1 for _ in chunks))
            except VideoError as error:
                results.append(error.reason)
    assert results == ["the decoder hung: no frame for 1 s", 40, 20, 1]


def test_nothing_is_left_behind(videos):
    before = set(os.listdir("/dev/shm"))
    pids = []

    def fail_in_the_middle():
        with DecodePool(2) as pool:
            pids.extend(pids_of(pool))
            for video in pool.stream(jobs(videos, chunk_frames=4)):
                next(video.chunks())
                raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        fail_in_the_middle()
    assert not any(map(is_running, pids))
    assert set(os.listdir("/dev/shm")) == before
