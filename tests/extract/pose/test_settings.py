"""The settings of pose estimation: documented, frozen, and consistent with each other."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from extract.settings import PersonDetectorSettings, PoseSettings


@pytest.mark.parametrize("model", [PoseSettings, PersonDetectorSettings])
def test_every_field_is_documented(model: type[PoseSettings]) -> None:
    for name, field in model.model_fields.items():
        assert field.description, name


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ValidationError, match="person_boxes"):
        PoseSettings.model_validate({"person_boxes": "csv"})


@pytest.mark.parametrize("values", [{"person_box": "csv"}, {"person_box_file": Path("boxes.csv")}])
def test_a_box_file_and_its_mode_need_each_other(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="need each other"):
        PoseSettings.model_validate(values)


def test_mediapipe_takes_no_boxes() -> None:
    with pytest.raises(ValidationError, match="follows the signer itself"):
        PoseSettings(detector="mediapipe", person_box="detector")
