"""The protocol of few takes: what is held out, what rows and ensembles are, what is compared."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from real_signs import RECIPES, Recipes, Trial, fold_of, main, pose_store
from sign_baselines import BASELINES, SignTask
from sign_distractors import chosen_distractors
from sign_rows import (
    NEIGHBOURS,
    UNTRAINED,
    Row,
    check_same_queries,
    difference_lines,
    ensemble,
    fold_lines,
    hands_lines,
    hits_of_first,
    score_lines,
    trained_rows,
)
from sign_words import renamed, words_apart

from extract.settings import ExtractSettings
from reference.small_stores import POSE, RGB, pose_video, rgb_video, write_index, write_store
from seds_core.dataset_index import IndexedVideo
from seds_core.errors import UsageError
from seds_core.keypoints import LEFT_HAND, RIGHT_HAND
from seds_core.pipeline_file import read_section
from train.evaluation.kept_hits import KeptHits
from train.evaluation.metrics import SplitScores, build_gallery
from train.settings import TrainSettings
from train.sweep.plan import read_plan

SOURCES = {
    "ball": {"red": 1, "green": 2, "blue": 2},
    "cold": {"green": 3, "red": 1},
    "fish": {"red": 4},
}
"""Sign -> source -> training clips."""


def clips():
    """Training clips of each source and two test clips of each sign, of known and new sources."""
    videos = []
    for sign, counts in SOURCES.items():
        of_clips = [("train", source) for source, count in counts.items() for _ in range(count)]
        for number, (split, source) in enumerate([*of_clips, ("test", "red"), ("test", "new")]):
            name = f"{sign}-{number}"
            videos.append(IndexedVideo(name, Path(name), split, sign, {"source": source}))
    return videos


@pytest.mark.parametrize("fold", range(7))
def test_a_fold_never_holds_a_test_clip_and_loses_no_training_clip(fold):
    learned = [video.video_id for video in clips() if video.split == "train"]
    assert [video.video_id for video in fold_of(clips(), fold)] == learned
    assert {video.split for video in fold_of(clips(), fold)} == {"train", "dev"}


@pytest.mark.parametrize("fold", range(7))
def test_whole_sources_are_held_out_and_every_sign_is_still_learned(fold):
    split = fold_of(clips(), fold)
    of_dev = {(v.text, v.other["source"]) for v in split if v.split == "dev"}
    of_train = {(v.text, v.other["source"]) for v in split if v.split == "train"}
    assert not of_dev & of_train
    # One source of each sign that has several.
    assert sorted(sign for sign, _ in of_dev) == ["ball", "cold"]
    assert {sign for sign, _ in of_train} == set(SOURCES)


def test_folds_go_from_the_smallest_source_on_and_begin_again():
    held_out = [
        {v.text: v.other["source"] for v in fold_of(clips(), fold) if v.split == "dev"}
        for fold in range(4)
    ]
    assert [of_fold["ball"] for of_fold in held_out] == ["red", "blue", "green", "red"]
    assert [of_fold["cold"] for of_fold in held_out] == ["red", "green", "red", "green"]


def test_a_fold_is_the_same_whatever_the_order_of_the_index():
    def by_name(videos):
        return sorted((video.video_id, video.split) for video in videos)

    assert by_name(fold_of(clips()[::-1], 1)) == by_name(fold_of(clips(), 1))


def test_one_take_a_sign_leaves_nothing_to_hold_out():
    videos = [IndexedVideo(s, Path(s), split, s) for s in "ab" for split in ("train", "test")]
    assert {video.split for video in fold_of(videos, 0)} == {"train"}


def scores_of(*streams, names="abcd"):
    """Scores of four clips with their four words; streams are fusion and rgb."""
    gallery = build_gallery("test", [f"clip {n}" for n in names], list(names))
    values = {
        stream: np.array(of_stream, np.float32)
        for stream, of_stream in zip(("rgb", "fusion"), reversed(streams), strict=False)
    }
    return SplitScores(gallery, values)


RIGHT = np.eye(4)
"""Every clip is most similar to its own word."""
PROBE = "linear probe, mean RGB features"
"""It learns, and is no neighbour."""
SHIFTED = np.roll(np.eye(4), 1, axis=1)
"""Every clip is most similar to another word, by the same margin."""


def test_signs_get_names_of_their_own_that_the_encoder_tells_apart():
    videos = clips()
    others = renamed(videos)
    assert [replace(other, text="") for other in others] == [
        replace(video, text="") for video in videos
    ]
    names = dict(zip((v.text for v in videos), (o.text for o in others), strict=True))
    assert [names[video.text] for video in videos] == [other.text for other in others]
    assert len(set(names.values())) == len(SOURCES)
    assert len(set(words_apart(40))) == 40


def test_drawn_signers_are_learned_with_the_settings_of_few_takes(tmp_path):
    recipes = read_plan(RECIPES.with_name("drawn_signers.yaml"), tmp_path).recipes
    drawn, real = recipes["few-takes"], read_section(RECIPES, "few-takes", "train", TrainSettings)
    assert drawn.keypoints.body == real.keypoints.body
    assert drawn.augmentation.mirror == real.augmentation.mirror
    assert recipes["few-takes-right-handed"].augmentation.mirror == 0
    assert drawn.pose_encoder == recipes["few-takes-right-handed"].pose_encoder == real.pose_encoder
    assert drawn.cgaf == real.cgaf
    assert drawn.targets == real.targets
    changed = {"keypoints", "augmentation", "pose_encoder", "cgaf", "targets", "optimisation"}
    rest = {"exclude": changed}
    assert drawn.model_dump(**rest) == recipes["before"].model_dump(**rest)


def test_neighbours_and_the_probe_are_baselines():
    assert len(NEIGHBOURS) == 2
    assert {PROBE, *NEIGHBOURS} < BASELINES.keys()


def recall(lines, name):
    """Cells of a table's row."""
    (line,) = [line for line in lines if line.startswith(f"| {name} |")]
    return [cell.strip() for cell in line.strip("|").split("|")[1:]]


def test_an_ensemble_is_the_mean_of_the_similarities():
    runs = [scores_of(2 * RIGHT, SHIFTED), scores_of(SHIFTED, 3 * RIGHT)]
    together = ensemble(runs)
    np.testing.assert_allclose(together.scores["fusion"], (2 * RIGHT + SHIFTED) / 2)
    # Half of the runs are right, the surer one decides.
    assert together.mean_r1("fusion") == 100
    assert ensemble([scores_of(RIGHT, RIGHT), scores_of(3 * SHIFTED, RIGHT)]).mean_r1("fusion") == 0


def test_an_ensemble_of_other_galleries_is_refused():
    with pytest.raises(UsageError, match="cannot be added up"):
        ensemble([scores_of(RIGHT, RIGHT), scores_of(RIGHT, RIGHT, names="abdc")])


def test_rows_are_means_over_seeds_stream_by_stream_and_their_ensemble():
    runs = [scores_of(2 * RIGHT, SHIFTED), scores_of(SHIFTED, SHIFTED)]
    rows = trained_rows("ours", runs)
    assert [row.name for row in rows] == ["ours", "ours, rgb alone", "ours, ensemble of 2 seeds"]
    lines = score_lines(rows)
    assert recall(lines, "ours")[0].startswith("50.0 (0.0 to 100.0)")
    assert recall(lines, "ours, rgb alone")[0] == "0.0 (0.0 to 0.0)"
    assert recall(lines, "ours, ensemble of 2 seeds")[:2] == ["100.0 (100.0 to 100.0)"] * 2
    # No ensemble of one.
    assert len(trained_rows("ours", runs[:1])) == 2


def test_the_mean_of_two_streams_is_asked_beside_them():
    run = scores_of(SHIFTED, SHIFTED)
    run = SplitScores(run.gallery, {**run.scores, "pose": 2 * RIGHT})
    rows = {row.name: row for row in trained_rows("ours", [run])}
    assert rows["ours"].hits().recalls()["mean"] == [0]
    assert rows["ours, fusion and pose alone"].hits().recalls()["mean"] == [100]


def test_time_warping_is_added_to_what_the_model_says():
    run = scores_of(SHIFTED, SHIFTED)
    takes = SplitScores(run.gallery, {UNTRAINED: 2 * RIGHT + SHIFTED})
    rows = {row.name: row for row in trained_rows("ours", [run], takes=takes)}
    assert rows["ours"].hits().recalls()["mean"] == [0]
    assert rows["ours, model and takes"].hits().recalls()["mean"] == [0]
    surer = SplitScores(run.gallery, {UNTRAINED: RIGHT - 0.5 * SHIFTED})
    rows = {row.name: row for row in trained_rows("ours", [run], takes=surer)}
    assert rows["ours, model and takes"].hits().recalls()["mean"] == [100]


def test_time_warping_of_other_clips_is_not_added():
    takes = SplitScores(scores_of(RIGHT, RIGHT, names="abdc").gallery, {UNTRAINED: RIGHT})
    with pytest.raises(UsageError, match="cannot be added up"):
        trained_rows("ours", [scores_of(SHIFTED, SHIFTED)], takes=takes)


def test_clips_are_counted_by_how_many_of_their_frames_show_a_hand():
    half_right = RIGHT.copy()
    half_right[2:] = SHIFTED[2:]
    lines = hands_lines([row("ours", half_right, RIGHT)], np.array([0.1, 0.49, 0.5, 1.0]))
    assert "under a half: 2 clips | a half and more: 2 clips" in lines[0]
    assert recall(lines, "ours") == ["100.0", "50.0"]


class FourFrames:
    """A store of one clip: no hand, the left one, the right one, and one that is not finite."""

    def rows(self, video_id):
        keypoints = np.zeros((4, 133, 3), np.float32)
        keypoints[1, LEFT_HAND.start, 2] = keypoints[2, RIGHT_HAND.start, 2] = 0.5
        keypoints[3, RIGHT_HAND.start] = (np.nan, 1, 0.5)
        return {"keypoints": keypoints}


def test_either_hand_counts_and_only_where_it_is_seen():
    clip = IndexedVideo("clip", Path("clip.mp4"), "test", "ball", {})
    task = SignTask([], [clip], FourFrames(), FourFrames())
    assert task.frames_with_a_hand().tolist() == [0.5]


def row(name, *runs, stream="fusion"):
    """A row of runs that have a single stream."""
    kept = []
    for values in runs:
        scores = scores_of(values, values)
        kept.append(KeptHits.of(SplitScores(scores.gallery, {stream: scores.scores["fusion"]})))
    return Row(name, tuple(kept), stream)


def test_differences_are_from_the_baseline_and_from_the_better_neighbour():
    half = np.vstack([RIGHT[:2], 2 * SHIFTED[2:]])
    recipes = {"before": row("before", SHIFTED, SHIFTED), "ours": row("ours", RIGHT, RIGHT)}
    untrained = [
        row(name, values, stream=UNTRAINED)
        for name, values in zip([PROBE, *NEIGHBOURS], [RIGHT, SHIFTED, half], strict=True)
    ]
    lines = difference_lines(recipes, untrained, ["before", "not trained"])
    better = [line for line in lines if line.startswith("R@1 less")]
    assert ["before", NEIGHBOURS[1]] == [line.split("*")[1] for line in better]
    split = lines.index(better[1])
    # Four of four words instead of none: both ways are certain, and one in 2**4 as far by chance.
    assert recall(lines[:split], "ours")[:3] == ["+100.0 (+100.0 to +100.0)"] * 3
    assert recall(lines[:split], "ours")[3:] == ["0.125 (0.125)", "0.5"]
    of_half = row("x", half).hits().recalls()
    assert recall(lines[split:], "ours")[1].startswith(f"+{100 - of_half['V2T'][0]:.1f}")
    assert recall(lines[split:], "before")[1].startswith(f"-{of_half['V2T'][0]:.1f}")
    assert not any(line.startswith("| before") for line in lines[:split])


def test_rows_that_have_answered_other_queries_are_not_compared():
    other = Row("other", (KeptHits.of(scores_of(RIGHT, RIGHT, names="abdc")),))
    check_same_queries([row("one", RIGHT), row("two", SHIFTED)])
    with pytest.raises(UsageError, match="other queries"):
        check_same_queries([row("one", RIGHT), other])
    with pytest.raises(UsageError, match="other queries"):
        difference_lines({"one": row("one", RIGHT)}, [other], ["one"])


def test_distractors_are_candidates_and_ask_nothing():
    right = 2 * RIGHT
    # The third clip, a distractor, is nearer to the first word than its own clip; the fourth word
    # is nearer to the second clip than its own.
    right[2, 0] = right[1, 3] = 3
    kept = hits_of_first(scores_of(right, right), 2)
    assert kept.video_ids == ("clip a", "clip b")
    assert kept.sentences == ("a", "b")
    assert kept.hits["fusion", "text_to_video", 1].tolist() == [0, 1]
    assert kept.hits["fusion", "video_to_text", 1].tolist() == [1, 0]
    assert kept.hits["fusion", "text_to_video", 5].tolist() == [1, 1]


def test_distractors_show_no_word_that_is_asked_for():
    texts = ["I, Me", "It, Ball ", "Ballroom", "Sea", "Lake"]
    dictionary = [IndexedVideo(text, Path(text), "train", text) for text in texts]
    asked = [IndexedVideo("x", Path("x"), "test", "ball")]
    found = chosen_distractors(dictionary, asked, 3)
    assert [video.text for video in found] == ["I, Me", "Ballroom", "Sea"]


def test_the_best_recipe_of_the_folds_is_that_of_the_best_mean():
    folds = [
        {"before": row("before", RIGHT, SHIFTED), "ours": row("ours", SHIFTED, SHIFTED)},
        {"before": row("before", SHIFTED, SHIFTED), "ours": row("ours", RIGHT, RIGHT)},
    ]
    lines = fold_lines(folds)
    assert "**ours**" in lines[0]
    assert recall(lines, "before") == ["25.0"] * 3
    assert recall(lines, "ours") == ["50.0"] * 3


def test_without_recordings_it_ends_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["real_signs.py", str(tmp_path), "--work", str(tmp_path / "w")])
    with pytest.raises(SystemExit, match=r"no .*asl78/index\.csv.*Nothing was run"):
        main()
    assert not (tmp_path / "w").exists()


def test_recipes_are_the_pipelines_that_train():
    recipes = Recipes.read(RECIPES, None, [1])
    assert recipes.names == ("before", "published", "signing", "linear", "few-takes")
    for name in recipes.names:
        # A recipe that learned from another split might learn what it is asked.
        assert read_section(RECIPES, name, "train", TrainSettings).data.train_split == "train"


def test_a_clip_without_features_teaches_nothing_and_a_test_clip_is_asked_for(tmp_path):
    recipes = Recipes.read(RECIPES, ["few-takes"], [1])
    index = write_index(
        tmp_path / "index.csv",
        [("a", "train", "sun"), ("b", "train", "sun"), ("c", "test", "sun")],
    )
    write_store(
        recipes.rgb_store("few-takes", tmp_path), RGB, [rgb_video("a", 30), rgb_video("c", 30)]
    )
    write_store(pose_store(tmp_path), POSE, [pose_video(name, 30) for name in "abc"])
    task = Trial("few", index, "test", tmp_path, tmp_path).task(recipes)
    assert [video.video_id for video in task.train] == ["a"]
    assert [video.video_id for video in task.test] == ["c"]


def test_recipes_that_read_the_same_frames_share_a_store(tmp_path):
    recipes = Recipes.read(RECIPES, None, [1])
    stores = [recipes.rgb_store(name, tmp_path).name for name in recipes.names]
    assert stores == ["rgb-before.zarr"] * 2 + ["rgb-signing.zarr"] * 3
    for name in recipes.names:
        extract = read_section(RECIPES, name, "extract", ExtractSettings)
        keypoints = read_section(RECIPES, name, "train", TrainSettings).keypoints
        # What is left out must be the same in both.
        assert keypoints.frames == extract.rgb.frames
        if keypoints.frames == "hands":
            assert keypoints.rules == extract.rgb.hand_rules
            assert keypoints.max_frames == extract.frames.max_frames


def test_the_published_recipe_differs_from_the_defaults_in_size_alone():
    recipe = yaml.safe_load(RECIPES.read_text())["pipelines"]["published"]["train"]
    before = yaml.safe_load(RECIPES.read_text())["pipelines"]["before"]["train"]
    sizes = {
        "embedding_dim": None, "data": {"workers"}, "text": {"encoder"}, "pose_encoder": {"width"},
        "streams": {"width", "layers", "initial"}, "cgaf": {"heads", "hidden"},
        "optimisation": {"epochs", "batch_size"}, "evaluation": {"every_epochs"},
    }  # fmt: skip
    assert recipe.keys() == sizes.keys()
    for name, keys in sizes.items():
        if keys is not None:
            assert recipe[name].keys() == keys
            assert recipe[name] == {key: before[name][key] for key in keys}
