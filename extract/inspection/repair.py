"""Makes a damaged store whole again, at the price of its damaged videos."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.markup import escape

from seds_core.console import messages, results, track
from seds_core.store.repair import find_damage, repair_store


def repair_and_print(store: Path, *, dry_run: bool) -> None:
    """Drops the damaged videos of a store and prints which; a ``dry_run`` prints only.

    Raises ``UsageError`` for what is no store, and for one that somebody is writing to.
    """
    damage = (find_damage if dry_run else repair_store)(store, watch=_with_progress)
    for problem in damage.files.values():
        messages.print(escape(problem))
    for video_id in damage.failures:
        messages.print(f"to do again: {escape(video_id)}")
    would = "would be " if dry_run else ""
    results.print(
        f"{len(damage.places):,} videos {would}dropped, {len(damage.files)} files {would}mended"
    )
    if damage.num_unlisted:
        results.print(f"{damage.num_unlisted} files of an earlier version {would}given a checksum")
    if damage.places and not dry_run:
        results.print("The command that made the store does the dropped videos again.")


def _with_progress(places: Sequence[int]) -> Iterable[int]:
    return track(places, "rows")
