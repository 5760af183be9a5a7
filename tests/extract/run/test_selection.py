"""Parts of a list of videos, and the order in which several workers get them."""

import pytest

from extract.run.devices import named_devices, share_of_cluster, slots_on
from extract.run.engine import ClusterShare
from extract.run.selection import Part, approximate_seconds, longest_first
from extract.videos.listing import ListedVideo
from extract.videos.part import VideoPart
from seds_core.errors import UsageError

IDS = [f"folder/vidéo {number}" for number in range(2000)]


def test_every_video_is_in_one_part_whatever_else_is_listed():
    parts = [Part.parse(f"{number}/7") for number in range(1, 8)]
    held = [{video_id for video_id in IDS if part.holds(video_id)} for part in parts]
    assert sum(map(len, held)) == len(IDS)
    assert set.union(*held) == set(IDS)
    assert min(map(len, held)) > 0.7 * len(IDS) / 7
    # Fixed for ever: a part that was begun by an earlier version goes on with the same videos.
    assert [Part(n, 4).holds("greeting-01") for n in (1, 2, 3, 4)] == [True, False, False, False]
    assert all(Part.parse("1/1").holds(video_id) for video_id in IDS)


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "1", "a/b", "-1/4", "1/4/2", "²/4", ""])
def test_what_is_no_part_is_refused(text):
    with pytest.raises(UsageError, match="--part"):
        Part.parse(text)


def test_a_part_is_extracted_and_the_others_complete_the_store(run, corpus, tmp_path):
    code, first = run(part="1/2")
    assert code == 0
    assert 0 < first["finished"] < 6
    _, again = run(part="1/2")
    assert (again["finished"], again["already_there"]) == (0, first["finished"])
    _, second = run(part="2/2")
    assert second["finished"] == 6 - first["finished"]
    _, whole = run()
    assert (whole["finished"], whole["already_there"]) == (0, 6)


def test_the_longest_come_first_by_times_images_and_bytes(tmp_path):
    def file(name, num_bytes):
        path = tmp_path / name
        path.write_bytes(bytes(num_bytes))
        return ListedVideo(name, path)

    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(50):
        (folder / f"{number}.png").touch()
    recording = tmp_path / "recording.mp4"
    recording.write_bytes(bytes(1_000_000))
    short, long = file("short", 50_000), file("long", 400_000)
    images = ListedVideo("images", folder)
    cut = ListedVideo("cut", recording, VideoPart(start=2.0, end=9.5))
    rest = ListedVideo("rest", recording, VideoPart(start=4.0))
    gone, same = ListedVideo("gone", tmp_path / "gone.mp4"), file("same", 50_000)
    listed = [short, gone, images, long, cut, same, rest]
    assert longest_first(listed, folder_fps=25.0) == [cut, rest, long, images, short, same, gone]
    assert approximate_seconds(images, 25.0) == 2.0
    assert approximate_seconds(cut, 25.0) == 7.5


def test_devices_are_named_one_by_one_or_counted(monkeypatch):
    assert named_devices("cuda:1, cpu:2") == ["cuda:1", "cpu", "cpu"]
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UsageError, match="--devices cpu:N"):
        named_devices("all")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    assert named_devices("all") == ["cuda:0", "cuda:1", "cuda:2"]


def test_decoders_and_processors_are_divided_and_none_goes_without(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(8))
    slots = slots_on(["cuda:0", "cuda:1", "cuda:2"], decode_workers=7)
    assert [slot.num_decoders for slot in slots] == [3, 2, 2]
    assert [slot.num_threads for slot in slots] == [None] * 3
    assert [slot.name for slot in slots] == ["cuda:0", "cuda:1", "cuda:2"]
    slots = slots_on(["cpu", "cpu", "cpu"], decode_workers=1)
    assert [(slot.num_decoders, slot.num_threads) for slot in slots] == [(1, 2)] * 3
    assert len({slot.name for slot in slots}) == 3
    assert [slot.num_decoders for slot in slots_on(["cpu", "cpu"], decode_workers=0)] == [0, 0]


def test_options_of_a_cluster_and_of_this_machine_exclude_each_other():
    nothing = {"address": None, "num_workers": None, "gpus": None, "cpus": None}
    assert share_of_cluster("local", "cpu:2", **nothing) is None
    assert share_of_cluster("ray", "auto", **nothing) == ClusterShare("auto")
    with pytest.raises(UsageError, match="--num-workers is for --engine ray"):
        share_of_cluster("local", "auto", **nothing | {"num_workers": 2})
    with pytest.raises(UsageError, match="--devices"):
        share_of_cluster("ray", "cpu:2", **nothing)
