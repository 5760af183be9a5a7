"""``seds-extract compact`` says what it gives back, and with --dry-run what it would."""

from finished_videos import RGB, finished

from extract.inspection.verify import compact_and_print
from seds_core.store.reader import StoreReader
from seds_core.store.writer import BulkWriter


def test_what_is_given_back_is_said(tmp_path, capsys):
    path = tmp_path / "s.zarr"
    for content in ("c0", "c1"):
        with BulkWriter(path, RGB) as writer:
            writer.add(finished("a", num_rows=5_000, content=content))
    compact_and_print(path, dry_run=True)
    told = "5,000 rows that no video has and 0 old failures"
    assert capsys.readouterr().out == f"{told} would be dropped\n"
    assert StoreReader(path).num_superseded_rows == 5_000
    compact_and_print(path, dry_run=False)
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"{told} dropped"
    assert second.endswith("MB given back")
    assert StoreReader(path).num_superseded_rows == 0
