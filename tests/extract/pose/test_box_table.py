"""The table of boxes: which box holds for which frame, and which line is wrong."""

from pathlib import Path

import numpy as np
import pytest

from extract.pose.box_table import BoxTable
from extract.pose.estimate import NoBoxError
from seds_core.errors import UsageError

HEADER = "video_id,frame,left,top,right,bottom\n"


def table(tmp_path: Path, text: str) -> BoxTable:
    path = tmp_path / "boxes.csv"
    path.write_text(text, encoding="utf-8")
    return BoxTable(path)


def frames(num_frames: int) -> np.ndarray:
    return np.zeros((num_frames, 8, 8, 3), np.uint8)


@pytest.mark.parametrize("every", ["", "*", " * "])
def test_one_box_for_all_frames_and_exceptions(tmp_path: Path, every: str) -> None:
    boxes = table(tmp_path, f"{HEADER}a,{every},0,0,4,8\na,2,1.5,0,4,8\n\n").for_video("a", 1)
    first, rest = boxes.boxes(frames(2)), boxes.boxes(frames(2))
    np.testing.assert_array_equal(first.boxes[:, 0], [0, 0])
    np.testing.assert_array_equal(rest.boxes, [[1.5, 0, 4, 8], [0, 0, 4, 8]])
    assert rest.is_found.all()


def test_ids_are_composed(tmp_path: Path) -> None:
    boxes = table(tmp_path, f"{HEADER}u\u0308,,0,0,4,8\n").for_video("\u00fc", 1)
    assert boxes.boxes(frames(1)).is_found.all()


def test_frames_without_a_row_have_nobody(tmp_path: Path) -> None:
    found = table(tmp_path, f"{HEADER}a,1,0,0,4,8\n").for_video("a", 1).boxes(frames(3))
    np.testing.assert_array_equal(found.is_found, [False, True, False])
    assert np.isnan(found.boxes[0]).all()


def test_frame_numbers_are_those_of_the_video_when_frames_are_left_out(tmp_path: Path) -> None:
    rows = "".join(f"a,{frame},{frame},0,99,8\n" for frame in range(9))
    boxes = table(tmp_path, HEADER + rows).for_video("a", 3)
    lefts = [*boxes.boxes(frames(2)).boxes[:, 0], *boxes.boxes(frames(1)).boxes[:, 0]]
    np.testing.assert_array_equal(lefts, [0, 3, 6])


def test_columns_may_stand_in_any_order_between_semicolons(tmp_path: Path) -> None:
    text = "Top;left;bottom;right;frame;video_id;note\n1;0;8;4;;u\u0308;x\n"
    found = table(tmp_path, text).for_video("\u00fc", 1).boxes(frames(1))
    np.testing.assert_array_equal(found.boxes, [[0, 1, 4, 8]])


def test_every_video_starts_anew(tmp_path: Path) -> None:
    boxes = table(tmp_path, f"{HEADER}a,0,0,0,4,8\n")
    for _ in range(2):
        assert boxes.for_video("a", 1).boxes(frames(1)).is_found.all()


def test_a_video_that_is_not_in_the_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoBoxError, match=r"boxes\.csv has no box for video 'b'"):
        table(tmp_path, f"{HEADER}a,,0,0,4,8\n").for_video("b", 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: expected the columns video_id,frame,.* found nothing"),
        ("video,frame,l,t,r,b\n", "line 1: expected the columns"),
        (f"{HEADER}a,,0,0,4\n", "line 2: 5 fields, expected 6"),
        (f"{HEADER}a,,0,0,4,8\na,first,0,0,4,8\n", "line 3: frame must be a number.*'first'"),
        (f"{HEADER}a,-1,0,0,4,8\n", "line 2: frame must be a number"),
        (f"{HEADER}a,,0,0,wide,8\n", "line 2: a box needs four numbers, found 0,0,wide,8"),
        (f"{HEADER}a,,0,0,inf,8\n", "line 2: a box needs finite numbers"),
        (f"{HEADER}a,,4,0,4,8\n", "line 2: right must exceed left"),
        (f"{HEADER}a,1,0,0,4,8\na,1,0,0,4,8\n", "line 3: a second box for frame 1 of video 'a'"),
        (f"{HEADER}a,,0,0,4,8\na,*,0,0,4,8\n", "line 3: a second box for all frames"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=rf"boxes\.csv, {message}"):
        table(tmp_path, text)
