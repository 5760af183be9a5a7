import json
import pickle
import subprocess
import sys

import pytest
from shared_data import REPOSITORY, shared_path

from extract.interchange.caption_releases import read_published
from extract.interchange.captions import Candidate, CaptionFileError


def write(folder, split, entries):
    path = folder / f"{split}.pkl"
    path.write_bytes(pickle.dumps(entries))
    return path


def entry(name, text="Rain.", **more):
    return {"video_name": name, "ori_text": "regen", "text": text, "num_frames": 3, **more}


def test_phoenix_entries_are_one_dictionary_each(tmp_path):
    path = write(tmp_path, "test", {"a-1": entry("a-1")})
    (caption,) = read_published(path).captions
    assert (caption.video_id, caption.split, caption.text) == ("a-1", "test", "Rain.")
    assert caption.columns["original_text"] == "regen"
    assert caption.columns["sentence_id"] == "a-1"
    assert caption.columns["signer"] == ""


def test_csl_entries_are_a_list_of_videos(tmp_path):
    videos = [entry("S000020_P0004_T00"), entry("S000020_P0009_T00")]
    captions = read_published(write(tmp_path, "train", {"S000020": videos})).captions
    assert [caption.columns["signer"] for caption in captions] == ["P0004", "P0009"]
    assert {caption.columns["sentence_id"] for caption in captions} == {"S000020"}


def test_how2sign_videos_have_their_official_name_and_the_other_as_alias(tmp_path):
    video = entry("-f-1-rgb_front_clip0", new_video_name="-f_2-1-rgb_front")
    read = read_published(write(tmp_path, "test", {"-f_2": [video]}))
    (caption,) = read.captions
    assert caption.video_id == "-f_2-1-rgb_front"
    assert caption.columns["alias"] == "-f-1-rgb_front_clip0"
    assert caption.columns["signer"] == "1"
    assert caption.candidates == (Candidate("-f-1-rgb_front_clip0"), Candidate("-f_2-1-rgb_front"))
    assert "captions how2sign" in read.findings[0].text


def test_training_videos_in_dev_are_dropped_and_named(tmp_path):
    train = {name: entry(name) for name in ("a", "b")}
    write(tmp_path, "train", train)
    dev = write(tmp_path, "dev", {**train, "c": entry("c")})
    read = read_published(tmp_path)
    assert [(c.video_id, c.split) for c in read.captions] == [
        ("a", "train"), ("b", "train"), ("c", "dev"),
    ]  # fmt: skip
    assert [finding.names for finding in read.findings] == [("a", "b")]
    assert read_published(dev) == read


def test_dev_alone_could_be_the_training_set(tmp_path):
    write(tmp_path, "dev", {"a": entry("a")})
    with pytest.raises(CaptionFileError, match=r"may repeat the training set.*train\.pkl"):
        read_published(tmp_path)


def test_entries_that_are_none_are_named(tmp_path):
    content = {"a": entry("a"), "b": "text", "c": [entry("c"), {"video_name": "d"}], "e": []}
    read = read_published(write(tmp_path, "test", content))
    assert [caption.video_id for caption in read.captions] == ["a", "c"]
    assert [name.split(":")[0] for name in read.findings[0].names] == [
        "test.pkl, entry 'b'",
        "test.pkl, entry 'c'",
    ]


@pytest.mark.parametrize("content", [[], {}, "x"])
def test_other_pickles_are_refused(tmp_path, content):
    with pytest.raises(CaptionFileError, match="is no caption file"):
        read_published(write(tmp_path, "test", content))


def test_a_pickle_that_runs_code_is_refused_by_name(tmp_path):
    (tmp_path / "test.pkl").write_bytes(b"cbuiltins\neval\n(S'1'\ntR.")
    with pytest.raises(CaptionFileError, match=r"builtins\.eval"):
        read_published(tmp_path)


COUNTING = """
import json, sys
from pathlib import Path
from extract.interchange.caption_releases import read_published
from extract.interchange.captions_command import count_splits
from extract.interchange.captions_command import locate
read = read_published(Path(sys.argv[1]))
videos, _ = locate(read.captions, None, Path())
print(json.dumps({
    "splits": {split: list(c.values()) for split, c in count_splits(videos).items()},
    "findings": [[finding.kind, len(finding.names)] for finding in read.findings],
    "signers": len({video.other.get("signer") for video in videos}),
}))
"""


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "splits", "findings", "signers"),
    [
        (
            "data_ph",
            {"train": [7096, 6827, 7096], "dev": [519, 507, 519], "test": [642, 630, 642]},
            [["note", 7096]],
            1,
        ),
        ("data_csl", {"train": [18401, 6573, 6598], "test": [1176, 798, 798]}, [], 10),
        ("data_h2", {"test": [2342, 1925, 1964]}, [["note", 0]], 6),
    ],
)
def test_the_published_files_have_the_published_numbers(name, splits, findings, signers):
    # In a process of its own: with every call checked, reading such pickles takes long.
    run = subprocess.run(
        [sys.executable, "-c", COUNTING, shared_path(f"published/{name}")],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(run.stdout) == {"splits": splits, "findings": findings, "signers": signers}
