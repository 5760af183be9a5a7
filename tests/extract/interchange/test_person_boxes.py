import json
import pickle

import numpy as np
import pytest

from extract.interchange.caption_releases import read_crops
from extract.interchange.captions import CaptionFileError

BOX = {"x1": 10, "y1": 20, "x2": 110, "y2": 220, "w": 100, "h": 200}


def pickled(path, content):
    path.write_bytes(pickle.dumps(content))
    return path


def test_pickles_and_json_are_read_together(tmp_path):
    one = pickled(tmp_path / "a.pkl", {"a_clip0.mp4": {**BOX, "x1": np.int64(11)}})
    other = tmp_path / "b.json"
    other.write_text(json.dumps({"b_clip0.mp4": BOX}))
    assert read_crops([one, other]) == {"a_clip0": "11,20,100,200", "b_clip0": "10,20,100,200"}


def test_what_lies_outside_the_image_is_cut_off(tmp_path):
    boxes = pickled(tmp_path / "a.pkl", {"a.mp4": {**BOX, "x1": -30, "y1": -5}})
    assert read_crops([boxes]) == {"a": "0,0,70,195"}


@pytest.mark.parametrize("box", [{"x1": 1}, [1, 2, 3, 4], {**BOX, "w": 0}, {**BOX, "h": "x"}])
def test_a_box_that_is_none_is_named(tmp_path, box):
    with pytest.raises(CaptionFileError, match=r"the box of 'a\.mp4' is .*; expected x1, y1"):
        read_crops([pickled(tmp_path / "a.pkl", {"a.mp4": box})])


def test_files_without_boxes_are_refused(tmp_path):
    with pytest.raises(CaptionFileError, match="has no person boxes"):
        read_crops([pickled(tmp_path / "a.pkl", [BOX])])
    with pytest.raises(CaptionFileError, match="does not exist"):
        read_crops([tmp_path / "gone.pkl"])
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(CaptionFileError, match="is no JSON"):
        read_crops([tmp_path / "b.json"])


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    path = tmp_path / "bad.pkl"
    path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(CaptionFileError, match=r"os\.system"):
        read_crops([path])
