"""What a run is made of, and what nothing can be trained with."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from small_training import change_settings, small_request, small_settings
from torch import nn
from training_stand_in import StandInModel
from word_tokenizer import WordTokenizer

from reference.small_stores import write_index
from seds_core.dataset_index import IndexedVideo
from seds_core.errors import UsageError
from train.batches import ClipLayout
from train.checkpoints.run_checkpoint import Position, read_checkpoint
from train.checkpoints.run_folder import RunFolder
from train.evaluation import scoring
from train.model.retrieval_model import RetrievalModel
from train.processes import Processes
from train.settings import LearningRates, TrainSettings
from train.text.text_encoder import as_tokens
from train.training import preparation
from train.training import run as run_module
from train.training.loop import CheckpointKeeper
from train.training.preparation import (
    UntrainableError,
    build_model,
    initial_model,
    parameter_rows,
    prepare,
    refuse_sentences,
    refuse_settings,
    training_step,
)
from train.training.run import train, validation_scores

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


CPU, GPU = torch.device("cpu"), torch.device("cuda")


@dataclass(frozen=True)
class OneOfTwo(Processes):
    """One of two processes, to which the other one's numbers are larger by 2."""

    def copy_from_first(self, tensors):
        pass

    def sum_in_place(self, tensors):
        for tensor in tensors:
            tensor += tensor + 2

    def gather_values(self, value):
        return [value, value]

    def value_of_first(self, value):
        return value


class Asked(Exception):  # noqa: N818 - ends a test where it has seen enough
    pass


def prepare_rgb(folder, processes):
    return prepare("rgb", small_settings(folder, pose=None), 0, processes)


def test_processes_have_one_model_and_dropout_of_their_own(small_folder):
    models, states = [], []
    for rank in (0, 1):
        run = prepare_rgb(small_folder, OneOfTwo(rank, 2, CPU))
        models.append(run.model.state_dict())
        states.append(torch.get_rng_state())
    assert all(torch.equal(value, models[1][name]) for name, value in models[0].items())
    assert not torch.equal(*states)


@pytest.fixture
def two():
    """A model whose running means are 0, and the first of two processes that train it."""
    torch.manual_seed(0)
    return StandInModel(), OneOfTwo(0, 2, CPU)


def test_running_statistics_are_averaged_before_they_are_saved(two, small_folder):
    model, processes = two
    run = prepare_rgb(small_folder, Processes(0, 1, CPU))
    step = training_step(model, run.settings, processes, 9)
    folder = RunFolder(small_folder)
    CheckpointKeeper(folder, run.identity, step, processes).save(Position(), None)
    saved = read_checkpoint(folder.last).model["pose_encoder.1.running_mean"]
    assert saved.tolist() == [1.0] * len(saved)


def test_running_statistics_are_averaged_before_they_are_used(two, small_folder, monkeypatch):
    model, processes = two
    run = prepare_rgb(small_folder, Processes(0, 1, CPU))
    used = []

    def evaluate(model, *_, **__):
        used.append(model.pose_encoder[1].running_mean.clone())
        raise Asked

    monkeypatch.setattr(run_module, "evaluate_split", evaluate)
    with pytest.raises(Asked):
        validation_scores(model, run.data, run.tokenizer, run.settings, processes)
    assert used[0].tolist() == [1.0] * len(used[0])


@pytest.fixture
def _gpu_without_one(monkeypatch):
    monkeypatch.setattr(RetrievalModel, "to", lambda self, device: self)


@pytest.mark.usefixtures("_gpu_without_one")
@pytest.mark.parametrize(
    ("processes", "is_synchronised"),
    [(OneOfTwo(0, 2, GPU), True), (Processes(0, 1, GPU), False), (OneOfTwo(0, 2, CPU), False)],
)
def test_batch_statistics_are_those_of_all_processes_on_gpus(processes, is_synchronised):
    settings = TrainSettings.model_validate(SMALL)
    layout = ClipLayout(5, 4, 6)
    model = build_model(settings, "fusion", layout, processes, with_weights=False)
    norms = [part for part in model.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    assert {isinstance(norm, nn.SyncBatchNorm) for norm in norms} == {is_synchronised}


@pytest.mark.usefixtures("_gpu_without_one")
@pytest.mark.parametrize("device", [CPU, GPU])
def test_batches_for_a_gpu_are_pinned(small_folder, monkeypatch, device):
    def asked(*_, pin_memory, **__):
        raise Asked(pin_memory)

    run = prepare_rgb(small_folder, Processes(0, 1, CPU))
    monkeypatch.setattr(preparation, "TrainingBatches", asked)
    monkeypatch.setattr(scoring, "sign_batches", asked)
    with pytest.raises(Asked, match=str(device.type == "cuda")):
        prepare_rgb(small_folder, Processes(0, 1, device))
    with pytest.raises(Asked, match=str(device.type == "cuda")):
        scoring.evaluate_split(
            run.model, run.data, "dev", run.tokenizer, settings=run.settings, device=device
        )


def refuse(stage, **changes):
    refuse_settings(TrainSettings.model_validate(changes), stage)


@pytest.mark.parametrize(
    ("stage", "changes", "told"),
    [
        ("fusion", {"cgaf": {"heads": 7}}, "cgaf.heads 7 .*embedding_dim 512"),
        ("fusion", {"embedding_dim": 35, "cgaf": {"heads": 5}}, "embedding_dim .*even.* 35"),
        ("fusion", {"optimisation": {"batch_size": 1}}, "optimisation.batch_size is 1"),
        ("pose", {"losses": {"pose": 0}}, "losses.pose is 0"),
        (
            "fusion",
            {"losses": dict.fromkeys(("fusion", "pose", "rgb", "pose_rgb_matching"), 0)},
            "losses.fusion, losses.pose, losses.rgb, losses.pose_rgb_matching are all 0",
        ),
        ("rgb", {"data": {"validation_split": "train"}}, "data.validation_split .*'train'"),
    ],
)
def test_settings_that_cannot_train_a_stage_are_named(stage, changes, told):
    with pytest.raises(UntrainableError, match=told):
        refuse(stage, **changes)


@pytest.mark.parametrize(
    ("stage", "changes"),
    [
        ("fusion", {}),
        ("pose", {"embedding_dim": 35, "losses": {"rgb": 0, "fusion": 0}}),
        ("fusion", {"losses": {"fusion": 0, "pose": 0, "rgb": 0}}),
    ],
)
def test_settings_that_another_stage_could_not_use_are_taken(stage, changes):
    refuse(stage, **changes)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("epochs: 4", "epochs: 4, beta1: 1.0", "optimisation.beta1"),
        ("epochs: 4", "epochs: 4, beta2: 1.0", "optimisation.beta2"),
        ("text: 0.001", "text: .inf", "optimisation.learning_rates.text"),
        ("text: 0.001", "text: .nan", "optimisation.learning_rates.text"),
        ("jitter: 0.5", "jitter: .inf", "augmentation.jitter"),
        ("heads: 2", "heads: 7", "cgaf.heads"),
    ],
)
def test_a_run_is_refused_before_data_is_read(tmp_path, old, new, told):
    from small_training import PIPELINES

    (tmp_path / "pipelines.yaml").write_text(PIPELINES)
    change_settings(tmp_path, old, new)
    with pytest.raises(UsageError, match=told):
        train(**small_request(tmp_path))


def test_no_limit_of_gradients_is_a_choice():
    settings = TrainSettings.model_validate({"optimisation": {"clip_norm": float("inf")}})
    assert settings.optimisation.clip_norm == float("inf")


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_that_generators_do_not_take_is_refused(tmp_path, seed):
    with pytest.raises(UsageError, match=f"--seed .*{seed}"):
        train(**small_request(tmp_path, seed=seed))


def test_resuming_and_beginning_with_other_weights_exclude_each_other(tmp_path):
    request = small_request(tmp_path, resume=True, init=(Path("x.pt"),))
    request["run_dir"].mkdir(parents=True)
    (request["run_dir"] / "last.pt").touch()
    with pytest.raises(UsageError, match=r"--resume .*--init"):
        train(**request)


def videos(*sentences):
    made = IndexedVideo("a", Path("a"), "train", "")
    return tuple(replace(made, video_id=f"v{i}", text=text) for i, text in enumerate(sentences))


@pytest.mark.parametrize(
    ("sentences", "told"),
    [
        (["rain"], "'v0' is the only training video"),
        (["rain", "rain"], "all 2 training videos have one sentence, 'rain'"),
        (["on", "no", "on"], "all 3 training videos .*'on' and 'no'"),
    ],
)
def test_data_in_which_nothing_can_be_told_apart_is_refused(sentences, told):
    """The tokenizer adds up letters: ``on`` and ``no`` are the same word to it."""
    training = videos(*sentences)
    with pytest.raises(UntrainableError, match=told):
        refuse_sentences(training, as_tokens(WordTokenizer(), sentences))


def test_two_sentences_are_enough():
    sentences = ["rain", "rain", "sun"]
    refuse_sentences(videos(*sentences), as_tokens(WordTokenizer(), sentences))


def test_a_run_on_one_sentence_is_refused(small_folder):
    write_index(small_folder / "index.csv", [("a", "train", "rain"), ("b", "train", "rain")])
    with pytest.raises(UsageError, match="nothing can be learnt: all 2 training videos"):
        train(**small_request(small_folder))
    assert not list((small_folder / "runs").glob("*"))


def test_parameters_are_counted_part_by_part():
    model = StandInModel()
    rates = LearningRates(text=1e-5, streams=2e-5, pose_encoder=1e-4, fusion=3e-4)
    model.text[0].requires_grad_(False)
    rows = parameter_rows(model, rates)
    assert rows["text"] == "72 parameters, learning rate 1e-05, 240 frozen"
    assert rows["fusion"] == "72 parameters, learning rate 0.0003"
    assert rows["logit_scale"] == "1 parameters, learning rate 2e-05"
    total = sum(p.numel() for p in model.parameters())
    assert rows["in all"] == f"{total:,} parameters"


def test_a_part_that_is_frozen_has_no_rate():
    model = nn.ModuleDict({"text": nn.Linear(2, 2).requires_grad_(False)})
    assert parameter_rows(model, LearningRates())["text"] == "6 frozen"
