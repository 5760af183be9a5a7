"""The frame map is read by columns, and wrong lines are named."""

import pytest

from extract.interchange.npy_features import FrameMapError, read_frame_map


def read(tmp_path, text):
    path = tmp_path / "map.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_frame_map(path)


def test_evenly_spaced_clips(tmp_path):
    found = read(
        tmp_path,
        "\ufeffclip,video_id,first_frame,frame_step,num_frames,note\n"
        "0,a,0,2,60,x\n0,b,0,1,20,\n1,a,8,2,60,\n2,a,20,2,60,\n",
    )
    assert found.keys() == {"a", "b"}
    clips = found["a"]
    assert clips.clip.tolist() == [0, 1, 2]
    assert clips.num_frames.tolist() == [60, 60, 60]
    assert clips.first_frame.tolist() == [0, 8, 20]
    assert clips.frame_step.tolist() == [2, 2, 2]
    assert clips.frames.shape == (3, 0)


def test_named_frames(tmp_path):
    found = read(tmp_path, "video_id,clip,frames,num_frames\na,0,0 3 4,9\na,1,3  4 8,9\n")
    clips = found["a"]
    assert clips.frames.tolist() == [[0, 3, 4], [3, 4, 8]]
    assert clips.first_frame.tolist() == [0, 3]
    assert clips.frame_step.tolist() == [0, 0]


EVEN = "video_id,clip,first_frame,frame_step,num_frames\n"
NAMED = "video_id,clip,frames,num_frames\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "lacks the columns video_id, clip, num_frames, first_frame, frame_step"),
        ("video_id,clip,frames\n", "lacks the columns num_frames: it must be a CSV file"),
        (EVEN, "lists no clips"),
        (EVEN + "a,0,0,1,9\na,1,x,1,9\n", r"map\.csv, line 3: .* no numbers"),
        (EVEN + "a,0,0,1\n", "line 2: 4 fields, expected 5"),
        (EVEN + "a,0,0,1,99999999999\n", "line 2: .* no numbers"),
        (NAMED + "a,0,,9\n", "line 2: .* no numbers"),
        (NAMED + "a,0,0 1,9\na,1,1,9\n", "line 3: the clip has 1 frames, others have 2"),
        (b"video_id\xff", "not UTF-8"),
        (EVEN + '"' + "a" * 200_000 + '",0,0,1,9\n', "line 2: a quotation mark"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, reason):
    with pytest.raises(FrameMapError, match=reason):
        read(tmp_path, text)


def test_a_missing_map_is_named(tmp_path):
    with pytest.raises(FrameMapError, match="cannot be read: No such file"):
        read_frame_map(tmp_path / "map.csv")
