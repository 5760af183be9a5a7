"""JSON files of others are read within limits, and what is wrong with them is said."""

import json
import math

import pytest
from pydantic import BaseModel

from extract.interchange.keypoint_video import Numbers, check_json, read_json
from seds_core.errors import ImportedFileError


class Values(BaseModel):
    values: Numbers


def read(tmp_path, text, **limits):
    path = tmp_path / "values.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_json(path, Values, **limits)


def test_numbers_are_read_with_and_without_a_byte_order_mark(tmp_path):
    assert read(tmp_path, '{"values": [1, 2.5], "other": {}}').values == [1.0, 2.5]
    assert read(tmp_path, b'\xef\xbb\xbf{"values": [3]}').values == [3.0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Invalid JSON"),
        ('{"values": [1, 2', "Invalid JSON"),
        ("[" * 100_000, "Invalid JSON"),
        (b'{"values": "\xff"}', "Invalid JSON"),
        ('{"values": [1, NaN]}', "values.1: Input should be a finite number"),
        ('{"values": [Infinity]}', "values.0: Input should be a finite number"),
        ('{"values": [1e300]}', "values.0: Input should be less than or equal to"),
        ('{"values": [' + "9" * 5000 + "]}", "Invalid JSON: number out of range"),
        ('{"values": [1, "x"]}', "values.1: Input should be a valid number"),
        ('{"values": null}', "values: Input should be a valid array"),
        ('{"value": [1]}', "values: Field required"),
        ("[]", "Input should be an object"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, reason):
    with pytest.raises(ImportedFileError, match=rf"values\.json: .*{reason}"):
        read(tmp_path, text)


def test_a_large_file_is_refused_before_it_is_read(tmp_path):
    text = json.dumps({"values": [0] * 10})
    assert read(tmp_path, text, max_bytes=len(text)).values == [0.0] * 10
    with pytest.raises(ImportedFileError, match=r"has 0 MB.*up to 0 MB: split it"):
        read(tmp_path, text, max_bytes=len(text) - 1)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(ImportedFileError, match="No such file"):
        read_json(tmp_path / "none.json", Values)
    with pytest.raises(ImportedFileError, match="cannot be read"):
        read_json(tmp_path, Values)


def test_the_first_wrong_number_of_many_is_the_only_one_reported(tmp_path):
    with pytest.raises(ImportedFileError, match=r"values\.0: ") as caught:
        check_json(tmp_path, {"values": [math.nan] * 100_000}, Values)
    assert len(caught.value.reason) < 100
