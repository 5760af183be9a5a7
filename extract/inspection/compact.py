"""Gives back the room of what a store no longer has, behind ``seds-extract compact``."""

from functools import partial

from seds_core.console import results, track
from seds_core.store.compaction import compact_store, find_room
from seds_core.store.place import StoreLocation


def compact_and_print(location: StoreLocation, *, dry_run: bool) -> None:
    """Compacts a store and prints what that gives back; a ``dry_run`` prints only.

    Raises ``UsageError`` for what is no store, is damaged, or is being written to.
    """
    if dry_run:
        room, would = find_room(location), "would be "
    else:
        room, would = compact_store(location, watch=partial(track, description="rows")), ""
    results.print(
        f"{room.num_rows:,} rows that no video has and {room.num_failures:,} old failures "
        f"{would}dropped"
    )
    if room.num_bytes:
        results.print(f"{room.num_bytes / 1e6:,.1f} MB given back")
