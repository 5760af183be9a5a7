import io
import json
from dataclasses import replace

from finished_videos import RGB, finished
from rich.console import Console

from extract.inspection.info import describe, report
from seds_core.store.reader import StoreReader
from seds_core.store.records import FailedVideo
from seds_core.store.writer import StoreWriter


def describe_store(path, provenance=RGB):
    with StoreWriter(path, provenance) as writer:
        writer.want(["a", "b"])
        writer.finish(finished(writer.claim()))
        writer.fail(FailedVideo.now(writer.claim(), "/videos/b.mp4", "the file is empty"))
    return describe(StoreReader(path))


def test_the_description_counts_and_is_plain_data(tmp_path):
    description = describe_store(tmp_path / "s.zarr")
    assert (description["videos"], description["rows"], description["frames"]) == (1, 3, 20)
    assert description["failures"] == {"b": "the file is empty"}
    assert description["waiting_videos"] == 0
    assert json.loads(json.dumps(description)) == description


def test_the_report_names_failures_and_random_weights(tmp_path):
    random = replace(RGB, weights=replace(RGB.weights, is_random=True, sha256=""))
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(report(describe_store(tmp_path / "s.zarr", random)))
    text = console.export_text()
    assert "the file is empty" in text
    assert "RANDOM weights" in text
    assert "row, rgb=8" in text
