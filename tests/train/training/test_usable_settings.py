from dataclasses import replace
from pathlib import Path

import pytest
from small_stores import write_index
from small_training import change_settings, small_request
from word_tokenizer import WordTokenizer

from seds_core.dataset_index import IndexedVideo
from seds_core.errors import UsageError
from train.settings import TrainSettings
from train.text.text_encoder import as_tokens
from train.training.preparation import UntrainableError, refuse_sentences, refuse_settings
from train.training.run import train


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
