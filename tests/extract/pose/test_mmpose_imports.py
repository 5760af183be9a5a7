"""MMPose is imported beside mmcv-lite, and nothing that pretends to be mmdet stays behind."""

import subprocess
import sys
from types import ModuleType

import pytest

from extract.pose import mmpose_model
from extract.pose.mmpose_model import import_mmpose

pytestmark = pytest.mark.mmpose


def run(code: str) -> str:
    """What a fresh interpreter prints, with every warning an error."""
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout


def test_a_fresh_interpreter_imports_quietly_and_leaves_no_placeholder():
    printed = run(
        "from extract.pose.mmpose_model import import_mmpose\n"
        "import_mmpose(); import_mmpose()\n"
        "import sys\n"
        "import mmpose.apis\n"
        "print(sorted(n for n in sys.modules if n.split('.')[0] == 'mmdet' or n == 'mmcv.ops'))\n"
        "from mmpose.registry import MODELS\n"
        "print(MODELS.get('RTMCCHead').__name__)\n"
    )
    assert printed.split("\n")[:2] == ["[]", "RTMCCHead"]


def test_importing_twice_in_this_process_does_nothing(monkeypatch):
    import_mmpose()
    monkeypatch.setattr(mmpose_model, "_import_or_explain", None)
    import_mmpose()


def test_a_users_own_modules_stay(monkeypatch):
    """With mmdet there, only what is missing gets a placeholder, and mmdet is not taken out."""
    theirs = {name: ModuleType(name) for name in ("mmdet", "mmdet.utils")}
    for name, module in theirs.items():
        monkeypatch.setitem(sys.modules, name, module)
    with mmpose_model._placeholders_for_what_is_missing():
        assert sys.modules["mmdet"] is theirs["mmdet"]
        assert sys.modules["mmdet.utils"] is theirs["mmdet.utils"]
    assert sys.modules["mmdet.utils"] is theirs["mmdet.utils"]


def test_a_model_that_needs_what_is_missing_says_so():
    placeholder = mmpose_model._placeholder("mmdet.utils", ("reduce_mean",))
    with pytest.raises(ImportError, match="install the full mmdet package"):
        placeholder.reduce_mean(1)


def test_a_broken_installation_is_explained():
    with pytest.raises(ImportError, match="Expected mmpose"):
        mmpose_model._import_or_explain("mmpose.no_such_module")
