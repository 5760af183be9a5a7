"""The shipped pipeline file loads for every program that reads it."""

import pytest
import yaml
from shared_data import REPOSITORY

from extract.demo.corpus import SyntheticCorpus
from extract.settings import ExtractSettings
from seds_core.pipeline_file import read_section
from train.settings import TrainSettings

PATH = REPOSITORY / "pipelines.yaml"
NAMES = ["demo", "phoenix-2014t", "csl-daily", "how2sign", "custom"]


def test_the_pipelines_are_there():
    assert list(yaml.safe_load(PATH.read_text())["pipelines"]) == [*NAMES, "signs", "recordings"]


def test_recordings_keep_every_frame_and_clip_and_are_like_your_own_videos_otherwise():
    own, long = (
        read_section(PATH, name, "extract", ExtractSettings) for name in ("custom", "recordings")
    )
    assert (long.frames.max_frames, long.rgb.clips) == (None, "all")
    like_own = long.rgb.model_copy(update={"clips": own.rgb.clips})
    assert (like_own, long.pose) == (own.rgb, own.pose)


def test_single_signs_are_read_and_learned_as_they_were_measured():
    measured = REPOSITORY / "benchmarks" / "real_signs.yaml"
    extract, of_recipe = (
        read_section(path, name, "extract", ExtractSettings)
        for path, name in ((PATH, "signs"), (measured, "few-takes"))
    )
    assert (extract.frames, extract.rgb) == (of_recipe.frames, of_recipe.rgb)
    train, of_recipe = (
        read_section(path, name, "train", TrainSettings)
        for path, name in ((PATH, "signs"), (measured, "few-takes"))
    )
    # With RGB, its store says how many clips there are; the poses alone are cut alike.
    assert train.keypoints.max_clips == extract.rgb.max_clips
    keypoints = of_recipe.keypoints.model_copy(update={"max_clips": extract.rgb.max_clips})
    # Where data lies, and how often validation is asked, decide no result.
    same = {"data": None, "evaluation": None}
    expected = of_recipe.model_copy(update=same | {"keypoints": keypoints})
    assert train.model_copy(update=same) == expected


@pytest.mark.parametrize("name", NAMES)
def test_every_extract_section_is_valid(name):
    settings = read_section(PATH, name, "extract", ExtractSettings)
    assert settings.frames.max_frames == 300
    assert settings.rgb.clip_length == 16


@pytest.mark.parametrize("name", ["phoenix-2014t", "csl-daily", "how2sign"])
def test_published_sets_have_the_published_recipe(name):
    settings = read_section(PATH, name, "train", TrainSettings)
    optimisation, published = settings.optimisation, TrainSettings().optimisation
    assert settings.keypoints.rules == name
    assert settings.evaluation.precision == "float32"  # whatever the steps are computed in
    same = {"micro_batch": None, "precision": "float32"}
    assert optimisation.model_copy(update=same) == published
    assert (published.epochs, published.batch_size, published.optimiser) == (200, 128, "published")
    assert (settings.cgaf.sampling, settings.similarity.padding) == ("published", "published")


@pytest.mark.parametrize("name", ["demo", "custom", "signs"])
def test_embedded_sets_train_offline(name):
    assert read_section(PATH, name, "train", TrainSettings).text.encoder == "minilm"


def test_the_published_clip_plan_is_kept():
    for name in ("phoenix-2014t", "csl-daily", "how2sign"):
        rgb = read_section(PATH, name, "extract", ExtractSettings).rgb
        assert (rgb.weights, rgb.clip_limit) == ("bsl5k", 64)


def test_the_demo_corpus_has_unseen_test_signers():
    corpus = read_section(PATH, "demo", "synthetic", SyntheticCorpus)
    assert corpus.train_signers > 0
    assert corpus.test_signers > 0


@pytest.mark.parametrize("schema", [ExtractSettings, SyntheticCorpus, TrainSettings])
def test_every_setting_is_documented(schema):
    undocumented = []

    def look(model):
        for name, field in model.model_fields.items():
            if not field.description:
                undocumented.append(f"{model.__name__}.{name}")
            if hasattr(field.annotation, "model_fields"):
                look(field.annotation)

    look(schema)
    assert undocumented == []
