from dataclasses import replace

import pytest

from extract.decoding.frame_times import frame_times
from extract.decoding.packet_count import FramePacket
from extract.decoding.video_container import ContainerFacts

FACTS = ContainerFacts("matroska,webm", "h264", 128, 96, 25.0, 0.36, 9, has_edits=False)


def packets(stored, keyframes=(0,)):
    """Packets in the order of storing, by the numbers of their frames."""
    return [
        FramePacket(40 * number, 40 * place - 80, number in keyframes)
        for place, number in enumerate(stored)
    ]


def test_numbers_frames_in_the_order_of_showing():
    times = frame_times(FACTS, packets([0, 3, 1, 2, 6, 4, 5], keyframes=(0, 6)))
    assert times.shown.tolist() == [0, 40, 80, 120, 160, 200, 240]
    assert times.keyframes.tolist() == [0, 6]


def test_a_frame_shown_before_a_keyframe_needs_the_one_before():
    times = frame_times(FACTS, packets([0, 3, 1, 2, 6, 4, 5], keyframes=(0, 6)))
    assert [times.keyframe_before(number) for number in range(7)] == [0, 0, 0, 0, 0, 0, 6]


def test_frames_that_a_lost_packet_may_come_before_are_not_sure():
    # Frames 1 and 2 of the cut-off file are among those that never came.
    times = frame_times(FACTS, packets([0, 3, 1, 2, 6][:3]))
    assert (len(times.shown), times.num_sure) == (3, 1)


@pytest.mark.parametrize(
    "change", [{"format_name": "mpegts"}, {"codec": "mpeg2video"}, {"has_edits": True}]
)
def test_files_that_do_not_seek_well_have_no_times(change):
    assert frame_times(replace(FACTS, **change), packets([0, 1, 2])) is None


@pytest.mark.parametrize(
    "wrong",
    [
        [FramePacket(None, 0, True), FramePacket(40, 40, False)],
        [FramePacket(40, 0, True), FramePacket(40, 40, False)],
        [FramePacket(0, 0, False), FramePacket(40, 40, False)],
    ],
    ids=["no time", "one time twice", "no keyframe"],
)
def test_times_that_do_not_tell_frames_apart_are_none(wrong):
    assert frame_times(FACTS, wrong) is None
