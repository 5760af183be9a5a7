"""The shipped pipeline file loads for every program that reads it."""

import pytest
from shared_data import REPOSITORY

from extract.settings import ExtractSettings
from extract.synthetic.corpus import SyntheticCorpus
from seds_core.pipeline_file import pipeline_names, read_section

PATH = REPOSITORY / "pipelines.yaml"


def test_the_pipelines_are_there():
    assert pipeline_names(PATH) == ["demo", "phoenix-2014t", "csl-daily", "how2sign", "custom"]


@pytest.mark.parametrize("name", pipeline_names(PATH))
def test_every_extract_section_is_valid(name):
    settings = read_section(PATH, name, "extract", ExtractSettings)
    assert settings.frames.max_frames == 300
    assert settings.rgb.clip_length == 16


def test_the_published_clip_plan_is_kept():
    for name in ("phoenix-2014t", "csl-daily", "how2sign"):
        rgb = read_section(PATH, name, "extract", ExtractSettings).rgb
        assert (rgb.weights, rgb.clip_limit) == ("bsl5k", 64)


def test_the_demo_corpus_has_unseen_test_signers():
    corpus = read_section(PATH, "demo", "synthetic", SyntheticCorpus)
    assert corpus.train_signers > 0
    assert corpus.test_signers > 0


@pytest.mark.parametrize("schema", [ExtractSettings, SyntheticCorpus])
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
