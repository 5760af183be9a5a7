import pytest

from extract.videos.frame_folder import frame_names, frame_notes


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
