from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from extract.videos.packet_count import NO_TIME, FramePackets
from extract.videos.part import VideoError
from extract.videos.pyav_file import ContainerFacts
from extract.videos.recording import frame_times

FACTS = ContainerFacts(
    path=Path("v.mkv"),
    format_name="matroska,webm",
    stream_index=0,
    num_video_streams=1,
    codec="h264",
    pixel_format="yuv420p",
    width=128,
    height=96,
    pixel_shape=Fraction(1),
    is_interlaced=False,
    time_base=Fraction(1, 1000),
    stated_rate=Fraction(25),
)


def packets_at(shown, decoded=None, keyframes=(0,), **how):
    """Packets in the order of storing, by their times; decoding is one frame ahead by default."""
    decoded = [40 * index - 80 for index in range(len(shown))] if decoded is None else decoded
    return FramePackets(
        np.array([NO_TIME if time is None else time for time in shown], np.int64),
        np.array([NO_TIME if time is None else time for time in decoded], np.int64),
        np.isin(np.arange(len(shown)), keyframes),
        **{"last_duration": 40, **how},
    )


def packets(stored, keyframes=(0,)):
    """Packets in the order of storing, by the numbers of their frames."""
    indices = [index for index, number in enumerate(stored) if number in keyframes]
    return packets_at([40 * number for number in stored], keyframes=indices)


def times_of(packets, first_shown=0, facts=FACTS, **how):
    return frame_times(facts, packets, first_shown=first_shown, **how)


def test_numbers_frames_in_the_order_of_showing():
    times = times_of(packets([0, 3, 1, 2, 6, 4, 5], keyframes=(0, 6)))
    assert times.shown.tolist() == [0, 40, 80, 120, 160, 200, 240]
    assert times.keyframes.tolist() == [0, 6]


def test_a_frame_shown_before_a_keyframe_needs_the_one_before():
    times = times_of(packets([0, 3, 1, 2, 6, 4, 5], keyframes=(0, 6)))
    assert [times.keyframe_before(number) for number in range(7)] == [0, 0, 0, 0, 0, 0, 6]


def test_frames_that_a_lost_packet_may_come_before_are_not_sure():
    # Frames 1 and 2 of the cut-off file are among those that never came.
    times = times_of(packets([0, 3, 1, 2, 6][:3]))
    assert (times.num_frames, times.num_sure) == (3, 1)


@pytest.mark.parametrize("change", [{"format_name": "mpegts"}, {"codec": "mpeg2video"}])
def test_files_that_do_not_seek_well_are_decoded_from_the_beginning(change):
    assert times_of(packets([0, 1, 2]), facts=replace(FACTS, **change)).keyframes.tolist() == []


def test_what_an_edit_list_hides_makes_seeking_unsure():
    assert times_of(replace(packets([0, 1, 2]), has_edits=True)).keyframes.tolist() == []


WITHOUT_TIMES = {
    "no time": packets_at([0, 40, None, 120]),
    "one time twice": packets_at([0, 40, 40, 80]),
    "appended files": packets_at([0, 40, 10, 50], [0, 40, 10, 50]),
}


@pytest.mark.parametrize("name", WITHOUT_TIMES)
def test_times_that_do_not_tell_frames_apart_give_way_to_the_stated_rate(name):
    times = times_of(WITHOUT_TIMES[name])
    assert (times.num_frames, times.fps, times.duration) == (4, 25.0, 0.16)
    assert times.keyframes.tolist() == []
    with pytest.raises(VideoError, match="frame rate"):
        times_of(WITHOUT_TIMES[name], facts=replace(FACTS, stated_rate=None))


def test_times_rounded_to_milliseconds_are_even():
    facts = replace(FACTS, stated_rate=Fraction(30))
    shown = [5000 + round(1000 * number / 30) for number in range(400)]
    times = times_of(packets_at(shown, shown), 5000, facts)
    assert (times.rate, times.fps, times.duration) == (30, 30.0, 400 / 30)


@pytest.mark.parametrize("stated", [None, Fraction(25), Fraction(30)])
def test_a_rate_that_the_frames_do_not_come_by_is_not_believed(stated):
    shown = [100, 200, 300, 400, 500, 520, 540, 560]
    times = times_of(packets_at(shown, shown), 100, replace(FACTS, stated_rate=stated))
    assert times.rate is None
    assert times.duration == pytest.approx(0.46 + 0.1)  # most frames stay for 0.1 s
    assert times.fps == pytest.approx(8 / 0.56)
    assert times.edges.tolist() == pytest.approx(
        [0, 0.1, 0.2, 0.3, 0.4, 0.42, 0.44, 0.46, times.duration]
    )


def test_a_format_that_says_how_long_its_last_frame_stays_is_believed():
    facts = replace(FACTS, format_name="mov,mp4,m4a,3gp,3g2,mj2")
    shown = [0, 100, 150, 400]
    times = times_of(packets_at(shown, shown, last_duration=600), facts=facts)
    assert times.duration == pytest.approx(1.0)


def test_one_dropped_frame_is_no_even_rate():
    facts = replace(FACTS, format_name="avi", time_base=Fraction(1, 25))
    shown = [0, 1, 2, 4, 5]
    times = times_of(packets_at(shown, shown, last_duration=1), facts=facts)
    assert (times.rate, times.duration) == (None, pytest.approx(6 / 25))


OPEN_GROUP = packets_at([80, 0, 40, 120, 160, 200], [-80, -40, 0, 40, 80, 120])


def test_leading_pictures_that_decoding_leaves_out_are_no_frames():
    times = times_of(OPEN_GROUP, 80)
    assert times.shown.tolist() == [80, 120, 160, 200]
    assert times_of(OPEN_GROUP, 0).num_frames == 6  # a decoder may be able to show them


def test_tells_whether_every_packet_is_a_frame():
    frames = packets_at(range(0, 800, 40), range(0, 800, 40))
    assert times_of(frames).every_packet_is_a_frame
    assert not times_of(OPEN_GROUP, 80).every_packet_is_a_frame
    for change in ({"has_edits": True}, {"has_empty": True}, {"num_omissible": 1}):
        assert not times_of(replace(frames, **change)).every_packet_is_a_frame


def test_leading_pictures_may_have_no_time():
    times = times_of(packets_at([80, None, None, 120, 160], [None] * 5), 80)
    assert times.shown.tolist() == [80, 120, 160]


def test_earlier_times_after_a_joint_are_not_left_out():
    joined = packets_at([1000, 1040, 0, 40], [1000, 1040, 0, 40])
    assert times_of(joined, 1000).num_frames == 4


def test_two_fields_give_a_frame():
    fields = packets_at(range(0, 400, 20), range(0, 400, 20), last_duration=20)
    times = times_of(fields, packets_per_frame=2, may_hold_fields=True)
    assert times.shown.tolist() == list(range(0, 400, 40))
    assert (times.fps, times.duration, times.min_frames) == (25.0, 0.4, 8)
    assert times.keyframes.tolist() == []


def test_a_decoder_may_leave_out_what_says_that_nothing_has_changed():
    frames = packets_at(range(0, 800, 40), range(0, 800, 40))
    assert times_of(frames).min_frames == 18
    assert times_of(replace(frames, num_omissible=5)).min_frames == 13
