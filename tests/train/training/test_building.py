import pytest
import torch
from safetensors.torch import save_file

from seds_core.errors import UsageError
from train.batches import ClipLayout
from train.processes import Processes
from train.settings import TrainSettings
from train.training.preparation import build_model, initial_model

ALONE = Processes(0, 1, torch.device("cpu"))
SMALL = {
    "embedding_dim": 64,
    "text": {"weights": "random", "width": 64, "layers": 1},
    "pose_encoder": {"width": 8},
    "streams": {"width": 64, "layers": 1, "initial": "random"},
    "cgaf": {"neighbours": [3], "heads": 2, "hidden": 16},
}


def build(*, with_weights=True, **changes):
    settings = TrainSettings.model_validate({**SMALL, **changes})
    return build_model(settings, "fusion", ClipLayout(5, 4, 6), ALONE, with_weights=with_weights)


def initial(init=(), **changes):
    settings = TrainSettings.model_validate({**SMALL, **changes})
    layout = ClipLayout(5, 4, 6)
    return initial_model(settings, "fusion", 0, layout, ALONE, init=init, is_resumed=False)


def test_the_frozen_text_encoder_has_neither_gradients_nor_dropout():
    model = initial(text=SMALL["text"] | {"frozen": True})
    assert not any(p.requires_grad for p in model.text.parameters())
    assert not model.text.training
    assert model.fusion.training


def test_gradient_checkpointing_is_switched_on():
    model = build(optimisation={"gradient_checkpointing": True})
    assert model.pose_encoder.gradient_checkpointing
    assert not build().pose_encoder.gradient_checkpointing


def test_streams_begin_with_the_image_transformer_of_the_text_encoders_file(tmp_path, capsys):
    text = build().text.network
    image = {f"visual.transformer.resblocks.0.mlp.c_fc.{name}": torch.full(shape, 0.5)
             for name, shape in (("weight", (256, 64)), ("bias", (256,)))}  # fmt: skip
    image["visual.class_embedding"] = torch.full((64,), 0.25)
    file = tmp_path / "clip.safetensors"
    save_file({**{k: v.clone() for k, v in text.state_dict().items()}, **image}, file)
    clip = {
        "text": SMALL["text"] | {"weights": str(file)},
        "streams": SMALL["streams"] | {"initial": "clip"},
    }
    model = build(**clip)
    for stream in (model.pose_stream, model.rgb_stream):
        assert (stream.blocks[0].expand.weight == 0.5).all()
    random = build(text=clip["text"])
    assert not (random.pose_stream.blocks[0].expand.weight == 0.5).any()
    resumed = build(with_weights=False, **clip)
    assert not (resumed.pose_stream.blocks[0].expand.weight == 0.5).any()


def test_streams_without_clips_weights_are_random_with_a_warning(capsys):
    build(streams=SMALL["streams"] | {"initial": "clip"})
    assert "streams start with random weights" in capsys.readouterr().err


def test_files_are_imported_in_their_order_and_told_about(tmp_path, capsys):
    first, second = tmp_path / "first.pt", tmp_path / "second.pt"
    torch.save({"model": build().state_dict()}, first)
    names = dict(build().named_parameters())
    last = next(name for name in names if name.startswith("fusion.") and name.endswith("bias"))
    torch.save({"model": {last: torch.full_like(names[last], 3.0)}}, second)
    model = initial([first, second])
    expected = torch.load(first)["model"]
    assert (model.get_parameter(last) == 3).all()
    others = [n for n, p in model.named_parameters() if n != last and not p.equal(expected[n])]
    assert others == []
    told = capsys.readouterr().err
    assert told.index("first.pt") < told.index("second.pt")


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(UsageError, match=r"no weights file .*absent\.bin"):
        initial([tmp_path / "absent.bin"])
