"""A table of one's own becomes an index: who validates, and what the exit code says."""

import json

from extract.interchange.captions_command import run_captions
from seds_core.dataset_index import read_index


def run(table, out, **options):
    code = run_captions("table", table, out, **options)
    return code, {video.video_id: video for video in read_index(out)}


def splits(videos):
    return [video.split for video in videos.values()]


def table_of_words(folder, *, num_takes, has_test=False):
    """A table of ten words, each ``num_takes`` times, all with a file."""
    rows = ["video_id,split,text"]
    for word in range(10):
        for take in range(num_takes):
            rows.append(
                f"w{word}-{take},{'test' if has_test and not take else 'train'},word {word}"
            )
    videos = folder / "videos"
    videos.mkdir()
    for row in rows[1:]:
        (videos / f"{row.split(',')[0]}.mp4").touch()
    (folder / "t.csv").write_text("\n".join(rows) + "\n")
    return folder / "t.csv", videos


def test_videos_that_are_missing_do_not_validate(tmp_path, capsys):
    table, videos = table_of_words(tmp_path, num_takes=2)
    _, before = run(table, tmp_path / "a.csv", videos=videos)
    dev = {video.video_id for video in before.values() if video.split == "dev"}
    for name in dev:
        (videos / f"{name}.mp4").unlink()
    code, after = run(table, tmp_path / "b.csv", videos=videos)
    assert code == 3
    assert splits(after).count("dev") == 2
    assert after.keys() == before.keys() - dev


def test_a_split_whose_videos_are_all_missing_is_said_and_not_made_up(tmp_path, capsys):
    table, videos = table_of_words(tmp_path, num_takes=2)
    text = table.read_text().replace("w3-0,train", "w3-0,dev")
    table.write_text(text)
    (videos / "w3-0.mp4").unlink()
    _, indexed = run(table, tmp_path / "a.csv", videos=videos, as_json=True)
    assert set(splits(indexed)) == {"train"}
    kinds = [finding["kind"] for finding in json.loads(capsys.readouterr().out)["findings"]]
    assert "empty_split" in kinds


def test_a_train_and_test_split_of_ones_own_keeps_every_sentence_in_train(tmp_path, capsys):
    table, videos = table_of_words(tmp_path, num_takes=3, has_test=True)
    _, indexed = run(table, tmp_path / "a.csv", videos=videos)
    assert {v.text for v in indexed.values() if v.split == "train"} == {
        f"word {n}" for n in range(10)
    }
    assert splits(indexed).count("dev") >= 1
    assert "--dev-share 0" in capsys.readouterr().out
    _, indexed = run(table, tmp_path / "b.csv", videos=videos, dev_fraction=0.0)
    assert splits(indexed).count("dev") == 0


def test_lines_left_out_make_the_exit_code(tmp_path):
    (tmp_path / "t.csv").write_text('video_id,split,text\na,dev,x\nb,train,x\nc,train,"x\n')
    code, indexed = run(tmp_path / "t.csv", tmp_path / "i.csv")
    assert code == 3
    assert indexed.keys() == {"a", "b"}
