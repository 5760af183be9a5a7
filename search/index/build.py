"""Builds an index and adds to it: only what is new or changed is encoded.

What is encoded is committed every now and then, so that a build that is stopped or killed goes on
where it was when the same call is made again.
"""

import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rich.markup import escape

from extract.run.devices import named_devices
from extract.run.engine import ClusterShare
from extract.run.extraction import engine_for
from search.index.adding import Added, add_videos, describe_anew
from search.index.changes import FailedEntry
from search.index.compaction import compact_part
from search.index.database import has_fact, open_state, read_fact
from search.index.encoding import TokenEncoder
from search.index.encoding_workers import EncodingWork, encoded_by_workers
from search.index.entries import EncodedVideo, encoded_videos
from search.index.fitting import fit_to_run
from search.index.identity import IndexIdentity, OtherModelError, Windows, checkpoint_of
from search.index.layout import STATE
from search.index.plan import BuildPlan, HeldVideos, plan_build
from search.index.sources import VideoSources, open_sources
from search.index.writer import open_writer
from search.settings import SearchSettings
from seds_core.console import activity, messages, warn
from seds_core.device import choose_device
from seds_core.errors import UsageError
from seds_core.files import file_sha256
from seds_core.store.place import StoreLocation, absolute
from train.data.rgb_stores import rgb_choice
from train.evaluation import Which
from train.evaluation.load_model import RunModel, load_run
from train.settings import DataSettings


@dataclass(frozen=True)
class BuildResult:
    """What a build has done or, for a dry run, would do."""

    index: Path
    num_new: int
    """Videos."""
    num_changed: int
    """Videos whose rows in the stores have changed: encoded again."""
    num_described_anew: int
    """Videos of which only the sentence, path or columns have changed: not encoded again."""
    num_unchanged: int
    num_without_rows: int
    """Videos of the data set's index that a store lacks."""
    num_entries: int
    """Videos or windows that were added."""
    num_unsigned: int
    """Windows that were left out because nobody signs in them."""
    failed: tuple[FailedEntry, ...]
    seconds: float


@activity("building the index")
def build_index(
    out: Path,
    *,
    run: Path,
    rgb: Sequence[StoreLocation] = (),
    mix: Sequence[float] = (),
    pose: StoreLocation | None = None,
    index: Path | None = None,
    which: Which = "best",
    windows: Windows | None = None,
    search: SearchSettings | None = None,
    devices: str = "auto",
    cluster: ClusterShare | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    dry_run: bool = False,
) -> BuildResult:
    """Builds an index at ``out`` by the model of a run, or goes on with one.

    Stores that are not named are those that the run was trained on. Without ``index`` the run's own
    one names the videos, as long as it exists, and otherwise the stores do. ``batch_size`` and
    ``workers`` replace those of the run; ``search`` replaces the defaults of a new index. Several
    ``devices``, or the ``cluster``, encode at the same time, a process each.

    Raises ``UsageError`` for what does not fit together, such as an index of another model, and
    ``UnavailableError`` for what cannot be had here.
    """
    named = named_devices(devices)
    on = choose_device(named[0])
    checkpoint = checkpoint_of(run, which)
    model = load_run(checkpoint, on)
    existing = identity_of(out) if (out / STATE).exists() else None
    settings = search or (existing.search if existing else SearchSettings())
    identity = IndexIdentity.of_run(model, run, which, search=settings, windows=windows)
    if existing is not None:
        _refuse_other_identity(out, existing, identity)
    asked = data_of(identity, rgb=rgb, mix=mix, pose=pose, index=index)
    machines = _Machines(named, cluster, batch_size, workers)
    return _add(out, identity, model, on, asked, machines, dry_run=dry_run)


@activity("adding to the index")
def add_to_index(
    path: Path,
    *,
    run: Path | None = None,
    rgb: Sequence[StoreLocation] = (),
    mix: Sequence[float] = (),
    pose: StoreLocation | None = None,
    index: Path | None = None,
    devices: str = "auto",
    cluster: ClusterShare | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    dry_run: bool = False,
) -> BuildResult:
    """Adds what is new or changed in some stores to an existing index, by its own settings.

    ``run`` is where the index's run lies now. Otherwise like :func:`build_index`.
    """
    named = named_devices(devices)
    identity, on = identity_of(path), choose_device(named[0])
    identity = replace(identity, run=(run or identity.run).absolute())
    model = load_run(own_checkpoint(path, identity), on)
    asked = data_of(identity, rgb=rgb, mix=mix, pose=pose, index=index, last=last_data(path))
    machines = _Machines(named, cluster, batch_size, workers)
    return _add(path, identity, model, on, asked, machines, dry_run=dry_run)


def windows_from(length: float | None, step: float | None) -> Windows | None:
    """Returns windows of so many seconds, by default every half window; ``None`` for none.

    Raises ``UsageError`` for a step without windows, and for one that leaves gaps.
    """
    if length is None:
        if step is not None:
            raise UsageError("--step is the distance of windows: give their length with --windows")
        return None
    step = length / 2 if step is None else step
    if step > length:
        raise UsageError(
            f"windows of {length:g} s every {step:g} s leave parts of a recording out: take a "
            "--step of at most the length of --windows"
        )
    return Windows(length, step)


LAST_DATA = "last_data"
"""Fact of an index: the stores and the table of the last call, for the next one."""


def data_of(
    identity: IndexIdentity,
    *,
    rgb: Sequence[StoreLocation],
    mix: Sequence[float],
    pose: StoreLocation | None,
    index: Path | None,
    last: DataSettings | None = None,
) -> DataSettings:
    """Returns which stores and table a call is about, as absolute paths.

    What is not named is that of the last call or, before any, the run's. A table of these that is
    gone is left out, with a message.
    """
    before = last or identity.settings.data
    table = index or before.index
    if table is not None and index is None and not table.exists():
        table = None
    if table is None:
        messages.print(
            "no --index, and none known that is still there: videos are named by the stores alone, "
            "and new ones have no sentences, splits or other columns"
        )
    choice = rgb_choice(rgb, mix) or before.rgb
    if isinstance(choice, tuple):
        choice = tuple(p.model_copy(update={"store": absolute(p.store)}) for p in choice)
    elif choice is not None:
        choice = absolute(choice)
    keypoints = pose or before.pose
    return before.model_copy(
        update={
            "index": table and table.absolute(),
            "rgb": choice,
            "pose": keypoints and absolute(keypoints),
        }
    )


def last_data(path: Path) -> DataSettings | None:
    """Returns the stores and the table that an index was last built of or added to."""
    with closing(open_state(path)) as connection:
        if not has_fact(connection, LAST_DATA):
            return None
        return DataSettings.model_validate_json(read_fact(path, connection, LAST_DATA))


def identity_of(path: Path) -> IndexIdentity:
    """Returns what the index at a path was made by. Raises like ``Part.open``."""
    with closing(open_state(path)) as connection:
        return IndexIdentity.from_json(read_fact(path, connection, "identity"))


def own_checkpoint(path: Path, identity: IndexIdentity) -> Path:
    """Returns the checkpoint that made an index.

    Raises :class:`OtherModelError` where the run has another one by now.
    """
    checkpoint = checkpoint_of(identity.run, identity.which)
    found = file_sha256(checkpoint)
    if found != identity.checkpoint_sha256:
        raise OtherModelError(
            f"{checkpoint} is not the model that the index {path} was built by (SHA-256 "
            f"{found[:12]} / {identity.checkpoint_sha256[:12]}): name a copy of that run with "
            "--run, or build the index again into another folder"
        )
    return checkpoint


def _refuse_other_identity(out: Path, existing: IndexIdentity, asked: IndexIdentity) -> None:
    differences = existing.differences(asked)
    if existing.search != asked.search:
        differences.append(f"search: {existing.search} / {asked.search}")
    if differences:
        raise OtherModelError(
            f"the index {out} was made otherwise (index / asked): {'; '.join(differences)}. Give "
            "another --out for a new index, or the options of this one"
        )


@dataclass(frozen=True)
class _Machines:
    """What a call has to encode with."""

    devices: list[str]
    cluster: ClusterShare | None
    batch_size: int | None
    workers: int | None

    def num_readers(self, data: DataSettings) -> int:
        """Processes that read ahead."""
        return data.workers if self.workers is None else self.workers

    def encoded(
        self,
        sources: VideoSources,
        video_ids: Sequence[str],
        encoder: TokenEncoder,
        data: DataSettings,
    ) -> Generator[EncodedVideo, None, None]:
        """Encodes in this process where one device does all, and by workers otherwise."""
        identity = encoder.identity
        batch_size = self.batch_size or identity.settings.evaluation.batch_size
        workers = self.num_readers(data)
        if not video_ids or (self.cluster is None and len(self.devices) == 1):
            return encoded_videos(
                sources, video_ids, encoder, batch_size=batch_size, workers=workers
            )
        checkpoint = checkpoint_of(identity.run, identity.which)
        work = EncodingWork(identity, checkpoint, data, batch_size, Path.cwd())
        engine = engine_for(work, workers, self.devices, self.cluster)
        return encoded_by_workers(engine, sources, video_ids, work)


def _add(
    out: Path,
    identity: IndexIdentity,
    model: RunModel,
    device: torch.device,
    asked: DataSettings,
    machines: _Machines,
    *,
    dry_run: bool,
) -> BuildResult:
    begin = time.monotonic()
    sources = open_sources(
        identity,
        rgb=asked.rgb,
        pose=asked.pose,
        index=asked.index,
        checkpoint=checkpoint_of(identity.run, identity.which),
    )
    for text in sources.stores.warnings:
        warn(escape(text))
    if dry_run:
        return _result(out, _plan_only(out, sources), Added(), sources, begin)
    with open_writer(out, create=identity) as writer:
        plan = plan_build(HeldVideos(out, writer.connection), sources)
        encoder = TokenEncoder.of_run(model, identity, device)
        fit_to_run(
            writer, model, encoder, asked, checkpoint_of(identity.run, identity.which),
            workers=machines.num_readers(asked),
        )  # fmt: skip
        describe_anew(writer, sources, plan.described_anew, encoder)
        with closing(machines.encoded(sources, plan.to_encode, encoder, asked)) as encoded:
            added = add_videos(writer, encoded, len(plan.to_encode), encoder)
        writer.write_fact(LAST_DATA, asked.model_dump_json())
        if writer.has_outgrown_its_projection:
            compact_part(writer)
    return _result(out, plan, added, sources, begin)


def _plan_only(out: Path, sources: VideoSources) -> BuildPlan:
    if not (out / STATE).exists():
        return plan_build(None, sources)
    with closing(open_state(out)) as connection:
        return plan_build(HeldVideos(out, connection), sources)


def _result(
    out: Path, plan: BuildPlan, added: Added, sources: VideoSources, begin: float
) -> BuildResult:
    return BuildResult(
        index=out,
        num_new=len(plan.new),
        num_changed=len(plan.changed),
        num_described_anew=len(plan.described_anew),
        num_unchanged=plan.num_unchanged,
        num_without_rows=sources.num_without_rows,
        num_entries=added.num_entries,
        num_unsigned=added.num_unsigned,
        failed=tuple(added.failed),
        seconds=time.monotonic() - begin,
    )
