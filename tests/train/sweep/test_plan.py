"""The file of a sweep: what it asks for, and what is refused before anything runs."""

import pytest
import yaml
from small_sweep import write_sweep

from seds_core.errors import UsageError
from seds_core.pipeline_file import read_section
from train.settings import TrainSettings
from train.sweep.plan import check_data, read_plan, refuse_changed_recipes


@pytest.fixture
def plan(folder, tmp_path):
    return read_plan(write_sweep(folder), tmp_path / "out")


def test_recipes_change_what_they_name_and_nothing_else(plan):
    base, calm, fast = plan.recipes.values()
    assert base.augmentation.jitter == 0.5
    assert calm.augmentation.jitter == 0.0
    assert calm.model_copy(update={"augmentation": base.augmentation}) == base
    rates = fast.optimisation.learning_rates
    assert (rates.streams, rates.text) == (0.01, 0.001)
    assert plan.baseline == "base"
    names = [run.name for run in plan.runs]
    assert names == [f"{recipe}-seed{n}" for recipe in ("base", "calm", "fast") for n in (1, 2)]


def test_a_recipe_may_begin_from_another_pipeline(folder, tmp_path):
    path = write_sweep(folder, "base: {}", "base: {}\n  other: {pipeline: small, train: }")
    plan = read_plan(path, tmp_path)
    assert plan.recipes["other"] == plan.recipes["base"]


def test_the_written_pipeline_file_trains_the_same(plan, tmp_path):
    path = tmp_path / "pipelines.yaml"
    path.write_bytes(plan.pipelines())
    for name, settings in plan.recipes.items():
        assert read_section(path, name, "train", TrainSettings) == settings


@pytest.mark.parametrize(
    ("old", "new", "messages"),
    [
        ("streams: 0.01", "stream: 0.01", ["recipe 'fast'", "learning_rates.stream", "'streams'"]),
        ("jitter: 0.0", "jitter: lots", ["recipe 'calm'", "augmentation.jitter", "'lots'"]),
        ("calm: {train:", "calm: {trian:", ["recipes.calm.trian", "Did you mean 'train'?"]),
        ("base: {}", "base: {piplines: small}", ["Did you mean 'pipeline'?"]),
        ("threads: 1", "thread: 1", ["thread: there is no such key", "'threads'"]),
        ("pipeline: small", "pipeline: smal", ["no pipeline 'smal'", "'small'"]),
        ("[1, 2]", "[1, 1]", ["seed is given twice"]),
        ("[1, 2]", "[]", ["seeds"]),
        ("[1, 2]", "[-1]", ["seeds"]),
        ("threads: 1", "threads: 1\nbaseline: bse", ["'bse'", "base, calm, fast"]),
        ("  base:", "  a/b:", ["'a/b'", "letters"]),
        ("  base:", "  calm:", ["'calm' is given twice"]),
        ("jitter: 0.0", "jitter: 0.0}, optimisation: {batch_size: 1", ["batch_size is 1"]),
    ],
)
def test_what_is_wrong_is_named(folder, tmp_path, old, new, messages):
    path = write_sweep(folder, old, new)
    with pytest.raises(UsageError) as error:
        read_plan(path, tmp_path)
    for message in messages:
        assert message in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"no sweep file .*none\.yaml"):
        read_plan(tmp_path / "none.yaml", tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("threads: 1", "test_split: tset", "test_split, or null"),
        ("threads: 1", "test_split: dev", "trains or selects on 'dev'"),
        ("threads: 1", "test_split: train", "trains or selects on 'train'"),
        (
            "augmentation: {jitter: 0.0}",
            "data: {validation_split: test}, augmentation: {jitter: 0.0}",
            "trains or selects on 'test'",
        ),
        (
            "threads: 1",
            "test_split: null\nbaseline: fast",
            None,
        ),
        ("base: {}", "base: {init: [gone.pt]}", "gone.pt, which is not there"),
        ("rgb.zarr", "rgb2.zarr", "rgb2.zarr"),
        ("data: {index", "data: {validation_split: none, index", "selects the recipe"),
    ],
)
def test_data_that_cannot_be_trained_or_compared_is_refused(folder, tmp_path, old, new, message):
    plan = read_plan(write_sweep(folder, old, new), tmp_path)
    if message is None:
        check_data(plan)
        return
    with pytest.raises(UsageError, match=message):
        check_data(plan)


def test_recipes_with_other_validation_videos_are_refused(folder, tmp_path):
    other = folder / "other.csv"
    text = (folder / "index.csv").read_text()
    other.write_text(text.replace("dev,it is cold", "train,it is cold"))
    changed = f"data: {{index: {other}}}, augmentation: {{jitter: 0.0}}"
    path = write_sweep(folder, "augmentation: {jitter: 0.0}", changed)
    with pytest.raises(UsageError, match="'base' and 'calm' have different validation videos"):
        check_data(read_plan(path, tmp_path))


def test_a_recipe_whose_runs_have_begun_may_not_change(plan):
    run = plan.runs_of("calm")[0]
    run.folder.mkdir(parents=True)
    path = run.folder / "settings.yaml"
    begun = {"stage": "fusion", "train": run.settings.model_dump(mode="json")}
    path.write_text(yaml.safe_dump(begun))
    refuse_changed_recipes(plan)

    # Where data lies decides nothing; what an earlier version did not know is taken as it is.
    begun["train"]["data"]["rgb"] = "/elsewhere"
    del begun["train"]["augmentation"]["mirror"], begun["train"]["arithmetic"]
    path.write_text(yaml.safe_dump(begun))
    refuse_changed_recipes(plan)

    begun["train"]["augmentation"]["jitter"] = 7.0
    path.write_text(yaml.safe_dump(begun))
    with pytest.raises(UsageError, match=r"augmentation\.jitter.*another name than 'calm'"):
        refuse_changed_recipes(plan)
