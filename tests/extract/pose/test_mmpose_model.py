"""Models are built without downloads and filled only with weights that fit exactly."""

import subprocess
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from lively_norms import enliven_norms

from extract.pose import mmpose_model
from extract.pose.mmpose_model import (
    MMPoseModel,
    PackedConvolution,
    can_pack,
    import_mmpose,
    known_warnings_silenced,
    load_mmpose_model,
    ready_for_inference,
)
from extract.pose.provenance import PoseModelSource, describe_model, find_model, read_config
from seds_core.errors import UsageError
from seds_core.files import file_sha256

pytestmark = pytest.mark.mmpose

CPU = torch.device("cpu")
DEMO_CONFIG = find_model("demo").config.read_text()


def load(source: PoseModelSource) -> MMPoseModel:
    return load_mmpose_model(source, CPU, flip_test=False)


@pytest.fixture(scope="module")
def random_model() -> MMPoseModel:
    return load(find_model("demo", "random"))


def test_random_weights_are_marked_and_reproducible(random_model: MMPoseModel) -> None:
    assert random_model.provenance.is_random
    assert random_model.provenance.source == "random"
    assert random_model.provenance.sha256 == ""
    again = load(find_model("demo", "random")).network.state_dict()
    for name, value in random_model.network.state_dict().items():
        assert torch.equal(value, again[name]), name


def test_building_leaves_the_random_state_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    load(find_model("demo", "random"))
    assert torch.equal(torch.rand(1), expected)


def test_weights_come_from_the_file(random_model: MMPoseModel, tmp_path: Path) -> None:
    weights = {name: value + 1 for name, value in random_model.network.state_dict().items()}
    path = tmp_path / "mine.pth"
    torch.save({"state_dict": weights, "meta": {"dataset_meta": {"name": "mine"}}}, path)
    model = load(find_model("demo", str(path)))
    for name, value in model.network.state_dict().items():
        assert torch.equal(value, weights[name]), name
    assert model.dataset_meta == {"name": "mine"}
    assert not model.network.training
    assert model.provenance.source == str(path)
    assert model.provenance.sha256 == file_sha256(path)
    assert not model.provenance.is_random


def test_keypoints_are_described_when_the_file_does_not(random_model: MMPoseModel) -> None:
    assert len(random_model.dataset_meta["flip_indices"]) == 133


def test_weights_that_do_not_fit_are_listed(random_model: MMPoseModel, tmp_path: Path) -> None:
    weights = dict(random_model.network.state_dict())
    weights["head.added.weight"] = weights.pop("head.final_layer.weight")
    path = tmp_path / "mine.pth"
    torch.save(weights, path)
    expected = r"mine\.pth.*missing: head\.final_layer\.weight; unexpected: head\.added\.weight"
    with pytest.raises(UsageError, match=expected):
        load(find_model("demo", str(path)))


def test_names_of_mmpose_0_are_understood(random_model: MMPoseModel, tmp_path: Path) -> None:
    weights = random_model.network.state_dict()
    old = {name.replace("head.", "keypoint_head.", 1): value for name, value in weights.items()}
    assert old.keys() != weights.keys()
    path = tmp_path / "old.pth"
    torch.save({"state_dict": old}, path)
    load(find_model("demo", str(path)))


def test_tensors_of_another_shape_are_listed(random_model: MMPoseModel, tmp_path: Path) -> None:
    weights = dict(random_model.network.state_dict())
    weights["head.final_layer.bias"] = torch.zeros(17)
    path = tmp_path / "mine.pth"
    torch.save(weights, path)
    with pytest.raises(UsageError, match=r"size mismatch for head\.final_layer\.bias"):
        load(find_model("demo", str(path)))


def test_models_of_other_keypoints_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "body.py"
    path.write_text(f"{DEMO_CONFIG}\nmodel['head']['out_channels'] = 17\n")
    with pytest.raises(UsageError, match=r"body\.py finds 17 keypoints; expected the 133"):
        load(find_model(str(path), "random"))


def test_what_mmpose_cannot_build_is_told_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(f"{DEMO_CONFIG}\nmodel['backbone']['type'] = 'NoSuchNetwork'\n")
    with pytest.raises(UsageError, match=r"cannot build the model of .*mine\.py.*NoSuchNetwork"):
        load(find_model(str(path), "random"))


def test_a_loaded_model_is_what_its_files_say(tmp_path: Path) -> None:
    source = find_model("demo")
    config = read_config(source, flip_test=False)
    assert load(source).provenance == describe_model(source, config)


def test_other_kinds_of_models_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "detector.py"
    path.write_text("model = dict(type='FasterRCNN')\n")
    with pytest.raises(UsageError, match="not the config of a top-down pose estimator"):
        load(find_model(str(path), "random"))


def test_configs_of_mmpose_are_named_without_their_place() -> None:
    provenance = load(find_model("rtmpose-m", "random")).provenance
    assert provenance.config.startswith("configs/wholebody_2d_keypoint/rtmpose/")


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


def test_a_known_warning_is_silenced() -> None:
    with known_warnings_silenced():
        warnings.warn(
            "`torch.cuda.amp.autocast(args...)` is deprecated.", FutureWarning, stacklevel=1
        )


def test_other_warnings_are_shown() -> None:
    with known_warnings_silenced(), pytest.warns(FutureWarning, match="another"):
        warnings.warn("another thing is deprecated", FutureWarning, stacklevel=1)


def block(**settings: Any) -> Any:
    """mmcv's block of convolution and activation."""
    import_mmpose()
    from mmcv.cnn import ConvModule

    torch.manual_seed(0)
    return ConvModule(6, 4, **{"kernel_size": 3, **settings}).eval()


@pytest.mark.parametrize(
    "settings",
    [
        {"act_cfg": {"type": "SiLU"}, "padding": 1},
        {"act_cfg": {"type": "ReLU"}, "stride": 2},
        {"act_cfg": None, "kernel_size": 1, "bias": False},
        {"act_cfg": {"type": "SiLU"}, "groups": 2, "padding": (2, 0), "dilation": 2},
    ],
)
def test_a_packed_convolution_equals_the_block(settings: dict[str, Any]) -> None:
    plain = block(**settings)
    assert PackedConvolution.can_replace(plain)
    packed = PackedConvolution(plain)
    with torch.inference_mode():
        for num_frames in (2, 1):  # The second time the weights lie in order.
            images = torch.randn(num_frames, 6, 9, 8).to(memory_format=torch.channels_last)
            torch.testing.assert_close(packed(images), plain(images), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        {"norm_cfg": {"type": "BN"}},  # Not folded yet.
        {"act_cfg": {"type": "GELU"}},
        {"order": ("act", "conv", "norm")},
        {"padding": 1, "padding_mode": "reflect"},
        {"padding": 1, "conv_cfg": {"type": "Conv2d", "padding_mode": "circular"}},
        {"with_spectral_norm": True},
        {"conv_cfg": {"type": "Conv2dAdaptivePadding"}},
    ],
)
def test_other_blocks_are_left_alone(settings: dict[str, Any]) -> None:
    assert not PackedConvolution.can_replace(block(**settings))
    assert not PackedConvolution.can_replace(torch.nn.Conv2d(6, 4, 3))


@pytest.mark.parametrize("error", [AttributeError, RuntimeError])
def test_a_torch_without_these_operations_runs_the_plain_ones(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    import_mmpose()
    assert can_pack()

    def missing(*_: Any) -> None:
        raise error("another version")

    monkeypatch.setattr(PackedConvolution, "forward", missing)
    assert not can_pack()


@pytest.mark.parametrize("name", ["demo", "rtmw-m", "hrnet-w32"])
def test_the_network_computes_the_same(name: str) -> None:
    model = load_mmpose_model(find_model(name, "random"), CPU, flip_test=False)
    network = model.network
    enliven_norms(network)
    fast = ready_for_inference(network, CPU)
    images = torch.randn(1, 3, 256, 192)
    with torch.inference_mode(), known_warnings_silenced():
        expected = network.extract_feat(images)
        found = fast.extract_feat(images.to(memory_format=torch.channels_last))
        for level, slow_level in zip(found, expected, strict=True):
            size = slow_level.abs().max()
            assert (level - slow_level).abs().max() < 1e-4 * size
        head, slow_head = fast.head([level.contiguous() for level in found]), network.head(expected)
    for scores, slow_scores in zip(head, slow_head, strict=True):
        assert (scores - slow_scores).abs().max() < 1e-4 * slow_scores.abs().max()
    left = [m for m in fast.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    assert left == []
