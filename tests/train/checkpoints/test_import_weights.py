"""Published checkpoints, pre-training, CLIP's weights and our own checkpoints fill a model."""

import pytest
import torch
from published_weights import published_layout, published_tensors, unfilled_model
from safetensors.torch import save_file

from seds_core.errors import UsageError
from train.checkpoints.import_weights import import_tensors, import_weights
from train.checkpoints.published_names import is_unused, our_name

pytestmark = pytest.mark.golden

UNUSED = {
    "clip.logit_scale_first_softmax",
    "clip.logit_scale_sec_softmax",
    "clip.visual.conv2_trans.weight",
    "clip_rgb.visual.conv2_trans.weight",
}


@pytest.fixture(scope="module")
def model():
    """Filled anew by every test."""
    return unfilled_model("small")


def has_published_values(model, prefix="", rounded=lambda tensor: tensor):
    own = model.state_dict()
    names = [name for name in published_tensors() if name.startswith(prefix)]
    for name in names:
        if not is_unused(name):
            tensor = rounded(published_tensors()[name])
            assert torch.equal(own[our_name(name)], tensor.reshape(own[our_name(name)].shape)), name
    assert names


def forget(model):
    for tensor in model.state_dict().values():
        tensor.zero_()


def test_a_published_checkpoint_fills_the_whole_model(model):
    forget(model)
    report = import_tensors(model, published_tensors(), "small")
    has_published_values(model)
    assert len(report.loaded) == len(model.state_dict())
    assert set(report.unused) == UNUSED
    assert (report.missing, report.misfits, report.unknown) == ((), (), ())
    assert report.summary().startswith("small (published SEDS checkpoint): ")


def test_a_half_precision_file_of_several_processes_with_constants_is_read(model, tmp_path):
    forget(model)
    path = tmp_path / "ph_best_model.bin"
    constants = {"signbert.embed.st_gcn_hand.A": torch.eye(3), "fusion.pe.pe": torch.zeros(1)}
    halves = {
        f"module.{name}": tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in (published_tensors() | constants).items()
    }
    torch.save(halves, path)
    report = import_weights(model, path)
    assert set(report.unused) == UNUSED | constants.keys()
    assert (report.missing, report.unknown) == ((), ())
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    has_published_values(model, rounded=lambda t: t.half().float() if t.is_floating_point() else t)


def test_the_released_size_fits_by_shape():
    with torch.device("meta"):
        whole = unfilled_model("full")
        tensors = {name: torch.empty(shape) for name, shape in published_layout("full").items()}
    report = import_tensors(whole, tensors, "full")
    assert len(report.loaded) == len(whole.state_dict())
    assert set(report.unused) == UNUSED
    assert (report.missing, report.misfits, report.unknown) == ((), (), ())


def test_what_a_file_lacks_or_has_too_much_is_listed_and_left(model):
    forget(model)
    part = {n: t for n, t in published_tensors().items() if not n.startswith("fusion.mlp_fusion")}
    report = import_tensors(model, part | {"clip.other": torch.ones(1)}, "part")
    assert report.unknown == ("clip.other",)
    assert len(report.missing) == 8
    assert all(name.startswith("fusion.perceptron") for name in report.missing)
    assert model.fusion.perceptron.join.weight.abs().sum() == 0
    assert "fusion.perceptron.norm.bias" in " ".join(report.details())


def test_another_size_of_a_published_tensor_is_an_error_that_changes_nothing(model):
    forget(model)
    wrong = published_tensors() | {"clip.visual.positional_embedding": torch.ones(33, 7)}
    with pytest.raises(
        UsageError, match=r"ph\.bin.*positional_embedding \(33, 7\) instead of \(65, \d+\)"
    ):
        import_tensors(model, wrong, "ph.bin")
    assert all(tensor.abs().sum() == 0 for tensor in model.state_dict().values())


def test_a_model_of_one_stream_takes_its_part():
    model = unfilled_model("small", stage="rgb")
    report = import_tensors(model, published_tensors(), "small")
    assert report.missing == report.unknown == ()
    assert "clip.visual.proj" in report.unused
    has_published_values(model, "clip_rgb.")


@pytest.mark.parametrize("prefix", ["", "module.", "embed."])
def test_signberts_file_fills_the_frame_part_of_the_pose_encoder(model, tmp_path, prefix):
    forget(model)
    embed = "signbert.embed."
    inner = {
        prefix + name.removeprefix(embed): tensor
        for name, tensor in published_tensors().items()
        if name.startswith(embed)
    }
    path = tmp_path / "pretrain_signbert.pth"
    torch.save({"state_dict": {"GCN_Transform": inner}, "epoch": 7}, path)
    report = import_weights(model, path)
    assert report.layout == "SignBERT pre-training"
    assert len(report.loaded) == len(inner)
    has_published_values(model, embed)
    assert model.pose_encoder.clip_block.join.weight.abs().sum() == 0


def clip_file():
    """CLIP's weights under OpenAI's names: image transformer of 50 positions and pixels."""
    tensors = {
        name.removeprefix("clip."): tensor
        for name, tensor in published_tensors().items()
        if name.startswith("clip.") and not is_unused(name)
    }
    width = len(tensors["visual.class_embedding"])
    pixels = {
        "visual.positional_embedding": torch.ones(50, width),
        "visual.conv1.weight": torch.ones(width, 3, 32, 32),
    }
    return tensors | pixels | {"vocab_size": torch.tensor(49408)}


def test_clips_weights_fill_text_and_both_streams(model):
    forget(model)
    report = import_tensors(model, clip_file(), "clip.pt")
    has_published_values(model, "clip.transformer")
    has_published_values(model, "clip.visual.transformer")
    same = [
        block.expand.weight for block in (model.pose_stream.blocks[1], model.rgb_stream.blocks[1])
    ]
    assert torch.equal(*same)
    assert report.layout == "CLIP"
    assert len(report.misfits) == 2
    assert all("visual.positional_embedding (50, " in misfit for misfit in report.misfits)
    assert report.unused == ("logit_scale", "visual.conv1.weight", "vocab_size")
    left = [model.pose_stream.positions, model.rgb_stream.embed.weight, model.logit_scale]
    assert all(tensor.abs().sum() == 0 for tensor in left)


def test_a_run_of_one_stage_starts_another(model, tmp_path):
    forget(model)
    one = unfilled_model("small", stage="pose")
    torch.save({"model": one.state_dict(), "step": 3}, tmp_path / "last.pt")
    save_file(one.state_dict(), tmp_path / "last.safetensors")
    for path in tmp_path.iterdir():
        report = import_weights(model, path)
        assert report.layout == "checkpoint of a run"
        assert set(report.loaded) == one.state_dict().keys()
        assert {name.split(".")[0] for name in report.missing} == {"rgb_stream", "fusion"}
    assert torch.equal(model.pose_stream.positions, one.pose_stream.positions)


def test_a_file_without_anything_for_the_model_is_refused(model):
    foreign = {"encoder.weight": torch.ones(1), "decoder.weight": torch.ones(1)}
    with pytest.raises(UsageError, match=r"other\.pth has no tensor.*encoder\.weight"):
        import_tensors(model, foreign, "other.pth")
