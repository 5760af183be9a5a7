"""Checks every byte of a store, extracts samples again, and repairs what is damaged."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from rich.markup import escape

from extract.run.loop import decode_job, decode_pool
from extract.run.streams import load_stream
from extract.settings import ExtractSettings
from extract.stream import rows_of
from extract.videos.listing import ListedVideo
from extract.videos.part import VideoError, read_part_name
from seds_core.console import fail, messages, results, track
from seds_core.errors import UsageError
from seds_core.store.arrays import StoreArrays
from seds_core.store.compaction import compact_store, find_room
from seds_core.store.file_checksums import DamagedStoreError
from seds_core.store.place import StoreLocation, place_of
from seds_core.store.provenance import StoreMismatchError
from seds_core.store.reader import StoreReader
from seds_core.store.repair import (
    checksum_problem,
    damaged_files,
    files_without_checksum,
    find_damage,
    repair_store,
    structure_problems,
)

SAMPLE_SEED = 0
RELATIVE_TOLERANCE = 1e-3
"""A fraction of the largest value: another processor or library version rounds differently."""


@dataclass(frozen=True)
class Verification:
    """What was checked, and what was found to be wrong."""

    num_videos: int
    num_sampled: int
    largest_difference: float
    """Between sampled rows, relative to the largest value of their array."""
    problems: tuple[str, ...]
    num_without_checksum: int = 0
    """Files of an earlier version, of which only the rows have checksums."""


def verify_store(
    location: StoreLocation,
    *,
    sample: int = 0,
    device: str = "auto",
    pose_store: StoreLocation | None = None,
) -> Verification:
    """Checks every byte of a store and extracts ``sample`` of its videos again.

    ``pose_store`` is the one that an RGB store of frames with hands was made with. Raises
    ``UsageError`` for what is no store or has lost its root.
    """
    # Files first: whatever is missing or altered makes the rest doubtful.
    arrays = StoreArrays(place_of(location))
    problems = [problem for _, problem in damaged_files(arrays)]
    try:
        store = StoreReader(location, even_damaged=True)
        problems += structure_problems(store)
    except DamagedStoreError as error:  # which rows belong to which video is lost
        problems += [f"no video can be looked at: {error.what}"]
        return Verification(0, 0, 0.0, tuple(problems))
    found = (checksum_problem(store, video_id) for video_id in track(store.videos, "checksums"))
    # Several checks may meet the same damage, which is told of once.
    problems = [*dict.fromkeys([*problems, *(problem for problem in found if problem)])]
    # Samples are for whole stores only: damaged rows differ anyway.
    if problems:
        sample = 0
    differences = dict(_sample_differences(store, sample, device, pose_store)) if sample else {}
    problems += [
        f"'{video_id}': extracted again, its rows differ by {difference:.2g} of the largest value"
        for video_id, difference in differences.items()
        # Not ``>``, which would let NaN pass.
        if not difference <= RELATIVE_TOLERANCE
    ]
    return Verification(
        len(store.videos),
        len(differences),
        max(differences.values(), default=0.0),
        tuple(problems),
        len(files_without_checksum(arrays)),
    )


def print_verification(store: StoreLocation, verification: Verification) -> None:
    """Prints every problem of the store, what was looked at, and what to do."""
    for problem in verification.problems:
        fail(escape(problem))
    results.print(
        f"{verification.num_videos:,} videos checked, {len(verification.problems)} problems"
    )
    if verification.num_without_checksum:
        results.print(
            f"{verification.num_without_checksum} files are of an earlier version and have no "
            f"checksum: of them the rows are checked, and of the table whether it can be right; "
            f"'seds-extract repair {store}' gives them one"
        )
    if verification.problems:
        results.print(
            f"'seds-extract repair {store}' drops the damaged videos, so that the command that "
            "made the store does them again"
        )
    if verification.num_sampled:
        results.print(
            f"{verification.num_sampled} extracted again: largest difference "
            f"{verification.largest_difference:.2g} of the largest value"
        )


def _sample_differences(
    store: StoreReader, sample: int, device: str, pose_store: StoreLocation | None
) -> Iterator[tuple[str, float]]:
    """Video -> largest relative difference between its stored rows and new ones."""
    if store.provenance.imported_from is not None:
        raise UsageError(
            f"{store.url} was imported, so there is nothing to extract again: verify without "
            "--sample"
        )
    # The stream is loaded as the store says it was made, not as a pipeline says today.
    settings = ExtractSettings.model_validate(store.provenance.recorded_settings)
    stream = load_stream(store.provenance.kind, settings, device, pose_store)
    if differences := store.provenance.differences(stream.provenance):
        raise StoreMismatchError(
            f"{store.url} cannot be extracted again in the same way (store / now):\n"
            + "\n".join(differences)
        )
    # The same videos each time, so that two machines check the same ones.
    ids = sorted(store.videos)
    chosen = np.random.default_rng(SAMPLE_SEED).permutation(len(ids))[:sample]
    with decode_pool(settings.run, num_workers=0) as pool:
        for video_id in (ids[index] for index in chosen):
            entry = store.videos[video_id]
            video = ListedVideo(video_id, *read_part_name(entry.path))
            job = decode_job(video, stream, settings.frames)
            try:
                rows = rows_of(stream, pool.decode(job))
            # A video that was readable once counts as different in every row.
            except VideoError:
                yield video_id, float("inf")
                continue
            yield video_id, largest_difference(store.rows(video_id), rows)


def largest_difference(stored: dict[str, np.ndarray], again: dict[str, np.ndarray]) -> float:
    """Largest difference in any array, relative to the array's largest value.

    Infinite when shapes or not-a-numbers differ.
    """
    differences = [0.0]
    for name, values in stored.items():
        first, second = values.astype(np.float64), again[name].astype(np.float64)
        if first.shape != second.shape or not np.array_equal(np.isnan(first), np.isnan(second)):
            return float("inf")
        first, second = np.nan_to_num(first), np.nan_to_num(second)
        # An array of zeros is compared absolutely.
        scale = np.abs(first).max(initial=0.0) or 1.0
        differences.append(float(np.abs(first - second).max(initial=0.0) / scale))
    return max(differences)


def repair_and_print(store: StoreLocation, *, dry_run: bool) -> None:
    """Drops the damaged videos of a store and prints which; a ``dry_run`` prints only.

    Raises ``UsageError`` for what is no store, and for one that is being written to.
    """
    damage = (find_damage if dry_run else repair_store)(
        store, watch=partial(track, description="rows")
    )
    for problem in damage.files.values():
        messages.print(escape(problem))
    for video_id in damage.failures:
        messages.print(f"to do again: {escape(video_id)}")
    would = "would be " if dry_run else ""
    results.print(
        f"{len(damage.indexes):,} videos {would}dropped, {len(damage.files)} files {would}mended"
    )
    if damage.num_unlisted:
        results.print(f"{damage.num_unlisted} files of an earlier version {would}given a checksum")
    if damage.indexes and not dry_run:
        results.print("The command that made the store does the dropped videos again.")


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
