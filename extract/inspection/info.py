"""What is in a store, as plain values and as tables."""

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from seds_core.console import grid_of_facts
from seds_core.store.reader import StoreReader
from seds_core.store.repair import files_without_checksum
from seds_core.store.staging import num_finished


def describe(store: StoreReader) -> dict[str, Any]:
    """Counts, provenance and failures of a store, as plain values."""
    # Of changed videos only the present entry counts; their old rows are told apart.
    videos = store.videos
    sizes = _file_sizes(store)
    return {
        "store": store.url,
        "kind": store.provenance.kind,
        "layout_version": store.provenance.layout_version,
        "videos": len(videos),
        "rows": int(videos.current("num_rows").sum()),
        "superseded_rows": store.num_superseded_rows,
        "frames": int(videos.current("num_frames").sum()),
        "hours": float(videos.current("duration").sum()) / 3600,
        "files": len(sizes),
        "bytes": sum(sizes),
        "waiting_videos": num_finished(store.url),
        "arrays": {
            spec.name: {
                "axes": list(spec.axes),
                "sizes": list(spec.sizes),
                "dtype": spec.dtype,
                "unit": spec.unit,
                "description": spec.description,
            }
            for spec in store.arrays.row_specs
        },
        "weights": store.provenance.weights.recorded(),
        "settings": store.provenance.recorded_settings,
        "software": store.arrays.commit.software,
        "failures": {video_id: f.reason for video_id, f in store.failures.items()},
        "warning": store.provenance.warning,
    }


def _file_sizes(store: StoreReader) -> list[int]:
    """Bytes of each file of a store."""
    # The root lists all files that this version has written, but not itself.
    root = store.place.look("zarr.json")
    if root and not files_without_checksum(store.arrays):
        listed = store.arrays.commit.files.values()
        return [root.num_bytes, *(checksum.num_bytes for checksum in listed)]
    return [seen.num_bytes for _, seen in store.place.names()]


def report(description: dict[str, Any]) -> RenderableType:
    """The description as tables."""
    weights = description["weights"]
    facts = grid_of_facts()
    for label, value in (
        ("store", description["store"]),
        ("kind", f"{description['kind']}, layout version {description['layout_version']}"),
        ("videos", f"{description['videos']:,} ({description['hours']:.2f} hours)"),
        ("rows", f"{description['rows']:,} of {description['frames']:,} frames"),
        ("on disk", f"{description['bytes'] / 1e6:,.1f} MB in {description['files']:,} files"),
        ("weights", f"{weights['name']} (SHA-256 {weights['sha256'][:12] or 'unknown'})"),
        ("failures", str(len(description["failures"]))),
    ):
        facts.add_row(Text(label, style="bold"), value)
    if num_superseded := description["superseded_rows"]:
        facts.add_row(
            Text("superseded", style="bold"), f"{num_superseded:,} rows of changed videos"
        )
    if num_waiting := description["waiting_videos"]:
        told = f"{num_waiting:,} videos, packed by the next run"
        facts.add_row(Text("waiting", style="bold"), told)

    arrays = Table("array", "axes", "type", "unit", title="Rows", title_justify="left")
    for name, array in description["arrays"].items():
        # The first axis is the row, of which there are as many as told above.
        sizes = zip(array["axes"][1:], array["sizes"], strict=True)
        axes = ", ".join([array["axes"][0], *(f"{axis}={size}" for axis, size in sizes)])
        arrays.add_row(name, axes, array["dtype"], array["unit"])
    parts: list[RenderableType] = [facts, arrays]
    if description["failures"]:
        failures = Table("video", "reason", title="Failures", title_justify="left")
        for video_id, reason in description["failures"].items():
            failures.add_row(Text(video_id), Text(reason))
        parts.append(failures)
    if description["warning"]:
        parts.append(Text(f"warning: {description['warning']}", style="bold yellow"))
    return Group(*parts)
