"""Where the signer is: the whole frame, a table of boxes, or steadied detections."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args
from urllib.error import URLError

import numpy as np
import pytest
import torch

from extract.pose.person_boxes import BoxTable, FoundBoxes, KnownBoxes, NoBoxError, WholeFrameBoxes
from extract.pose.person_detector import (
    Choice,
    DetectedBoxes,
    TorchvisionPersonDetector,
    Track,
    chosen_person,
    empty_detector,
    followed,
    load_person_detector,
)
from extract.settings import PersonDetectorSettings
from extract.weights_cache import WeightsUnavailable
from seds_core.errors import UsageError
from seds_core.torch_files import fill_network

HEADER = "video_id,frame,left,top,right,bottom\n"


def table(tmp_path: Path, text: str) -> BoxTable:
    path = tmp_path / "boxes.csv"
    path.write_text(text, encoding="utf-8")
    return BoxTable(path)


def boxes_of(boxes: KnownBoxes, numbers: Sequence[int]) -> FoundBoxes:
    frames = np.zeros((len(numbers), 8, 8, 3), np.uint8)
    return boxes.boxes(frames, numbers, (8, 8))


@pytest.mark.parametrize("every", ["", "*", " * "])
def test_one_box_for_all_frames_and_exceptions(tmp_path: Path, every: str) -> None:
    boxes = table(tmp_path, f"{HEADER}a,{every},0,0,4,8\na,2,1.5,0,4,8\n\n").for_video("a")
    found = boxes_of(boxes, range(4))
    np.testing.assert_array_equal(found.boxes[:, 0], [0, 0, 1.5, 0])
    np.testing.assert_array_equal(found.boxes[:, 1:], [[0, 4, 8]] * 4)
    assert found.is_found.all()


def test_ids_are_composed(tmp_path: Path) -> None:
    boxes = table(tmp_path, f"{HEADER}u\u0308,,0,0,4,8\n").for_video("\u00fc")
    assert boxes_of(boxes, [0]).is_found.all()


def test_frames_without_a_row_show_no_person(tmp_path: Path) -> None:
    found = boxes_of(table(tmp_path, f"{HEADER}a,1,0,0,4,8\n").for_video("a"), range(3))
    np.testing.assert_array_equal(found.is_found, [False, True, False])
    assert np.isnan(found.boxes[0]).all()


def test_frame_numbers_are_those_of_the_video_when_frames_are_left_out(tmp_path: Path) -> None:
    rows = "".join(f"a,{frame},{frame},0,99,8\n" for frame in range(9))
    found = boxes_of(table(tmp_path, HEADER + rows).for_video("a"), range(0, 9, 3))
    np.testing.assert_array_equal(found.boxes[:, 0], [0, 3, 6])


def test_columns_may_stand_in_any_order_between_semicolons(tmp_path: Path) -> None:
    text = "Top;left;bottom;right;frame;video_id;note\n1;0;8;4;;u\u0308;x\n"
    found = boxes_of(table(tmp_path, text).for_video("\u00fc"), [0])
    np.testing.assert_array_equal(found.boxes, [[0, 1, 4, 8]])


def test_a_video_that_is_not_in_the_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoBoxError, match=r"boxes\.csv has no box for video 'b'"):
        table(tmp_path, f"{HEADER}a,,0,0,4,8\n").for_video("b")


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


OLD = np.array([0, 0, 10, 20], np.float32)
NEW = np.array([4, 0, 14, 40], np.float32)


def test_the_whole_frame_is_the_box() -> None:
    found = WholeFrameBoxes(0.3).boxes(np.zeros((2, 120, 160, 3), np.uint8), [0, 1], (160, 120))
    np.testing.assert_array_equal(found.boxes, [[0, 0, 160, 120]] * 2)
    assert found.is_found.all()


@pytest.mark.parametrize(("choice", "index"), [("largest", 1), ("most_central", 2)])
def test_choice_among_several_people(choice: Choice, index: int) -> None:
    people = np.array([[0, 0, 9, 9], [60, 0, 100, 90], [40, 40, 62, 62]], np.float32)
    chosen = chosen_person(people, choice, width=100, height=100)
    assert chosen is not None
    np.testing.assert_array_equal(chosen, people[index])


def test_equal_people_are_decided_by_order() -> None:
    people = np.array([[0, 0, 10, 10], [90, 90, 100, 100]], np.float32)
    for choice in ("largest", "most_central"):
        np.testing.assert_array_equal(chosen_person(people, choice, 100, 100), people[0])


def test_none_is_chosen_from_none() -> None:
    assert chosen_person(np.zeros((0, 4), np.float32), "largest", 10, 10) is None


def test_smoothing_moves_the_box_by_its_weight() -> None:
    track = followed(Track(OLD, 3), NEW, smoothing=0.75, max_gap_frames=9)
    assert track is not None
    np.testing.assert_allclose(track.box, [1, 0, 11, 25])
    assert track.frames_since_seen == 0


def test_without_smoothing_the_detection_counts() -> None:
    track = followed(Track(OLD, 3), NEW, smoothing=0.0, max_gap_frames=9)
    assert track is not None
    np.testing.assert_array_equal(track.box, NEW)


def test_a_box_is_kept_through_the_gap_and_then_lost() -> None:
    track: Track | None = Track(OLD, 0)
    lengths = 0
    while track is not None:
        np.testing.assert_array_equal(track.box, OLD)
        lengths += 1
        track = followed(track, None, smoothing=0.5, max_gap_frames=2)
    assert lengths == 3


def test_a_track_begins_with_its_first_detection() -> None:
    assert followed(None, None, 0.5, 2) is None
    begun = followed(None, NEW, 0.5, 2)
    assert begun is not None
    np.testing.assert_array_equal(begun.box, NEW)


CPU = torch.device("cpu")
NO_PEOPLE = np.zeros((0, 4), np.float32)


class Detections:
    """Gives the boxes of the frame whose number is in its pixels; records which it was shown."""

    def __init__(self, by_frame: dict[int, list[float]]) -> None:
        self.by_frame = by_frame
        self.shown: list[int] = []

    def __call__(self, image: np.ndarray) -> np.ndarray:
        frame = int(image[0, 0, 0])
        self.shown.append(frame)
        return np.array([self.by_frame[frame]], np.float32) if frame in self.by_frame else NO_PEOPLE


def frames(num_frames: int) -> np.ndarray:
    numbers = np.arange(num_frames, dtype=np.uint8)[:, None, None, None]
    return np.broadcast_to(numbers, (num_frames, 8, 8, 3)).copy()


SETTINGS = PersonDetectorSettings(every_nth_frame=3, smoothing=0.5, max_gap_frames=4)
SEEN = {3: [0.0, 0.0, 4.0, 8.0], 6: [2.0, 0.0, 6.0, 8.0]}


def test_every_nth_frame_is_shown_and_the_box_is_carried() -> None:
    detect = Detections(SEEN)
    found = DetectedBoxes(detect, SETTINGS).boxes(frames(13), range(13), (8, 8))
    assert detect.shown == [0, 3, 6, 9, 12]
    # No person yet; first detection; moved half way; kept 4 frames after it; lost.
    expected = [np.nan] * 3 + [0.0] * 3 + [1.0] * 5 + [np.nan] * 2
    np.testing.assert_array_equal(found.boxes[:, 0], expected)
    np.testing.assert_array_equal(found.is_found, ~np.isnan(expected))


@pytest.mark.parametrize("cuts", [[13], [1] * 13, [4, 4, 5]])
def test_boxes_do_not_depend_on_the_chunks(cuts: list[int]) -> None:
    whole = DetectedBoxes(Detections(SEEN), SETTINGS).boxes(frames(13), range(13), (8, 8))
    boxes = DetectedBoxes(Detections(SEEN), SETTINGS)
    chunks = np.split(frames(13), np.cumsum(cuts)[:-1])
    parts = [boxes.boxes(chunk, range(len(chunk)), (8, 8)).boxes for chunk in chunks]
    np.testing.assert_array_equal(np.concatenate(parts), whole.boxes)


def test_a_gap_shorter_than_the_step_is_refused() -> None:
    with pytest.raises(ValueError, match="must be at least 4"):
        PersonDetectorSettings(every_nth_frame=5, max_gap_frames=3)


def test_only_people_above_the_threshold_count() -> None:
    class Network(torch.nn.Module):
        def forward(self, images: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
            assert images[0].shape == (3, 8, 8)
            assert float(images[0].max()) == 1.0
            boxes = torch.arange(12.0).reshape(3, 4)
            labels, scores = torch.tensor([1, 18, 1]), torch.tensor([0.9, 0.9, 0.4])
            return [{"boxes": boxes, "labels": labels, "scores": scores}]

    people = TorchvisionPersonDetector(Network(), 0.5, CPU)(np.full((8, 8, 3), 255, np.uint8))
    np.testing.assert_array_equal(people, [[0, 1, 2, 3]])


@pytest.mark.parametrize(
    "name", get_args(PersonDetectorSettings.model_fields["network"].annotation)
)
def test_every_network_takes_its_published_tensors(name: str) -> None:
    weights = empty_detector(name).state_dict()
    published = {k: v for k, v in weights.items() if not k.endswith("num_batches_tracked")}
    network = empty_detector(name)
    fill_network(network, published, Path(name))
    for key, value in network.state_dict().items():
        assert torch.equal(value, weights[key])


def test_a_real_network_runs() -> None:
    network = empty_detector("ssdlite320_mobilenet_v3_large").eval()
    people = TorchvisionPersonDetector(network, 0.999, CPU)(np.zeros((32, 32, 3), np.uint8))
    assert people.shape == (0, 4)


def test_without_internet_the_error_names_the_place_for_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_arguments: object, **_named: object) -> None:
        raise URLError("no internet")

    monkeypatch.setenv("SEDS_CACHE", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", offline)
    with pytest.raises(WeightsUnavailable, match=r"fasterrcnn_resnet50_fpn_v2_coco-dd69338a\.pth"):
        load_person_detector(PersonDetectorSettings(), CPU)
