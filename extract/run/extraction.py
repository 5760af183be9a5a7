"""One extraction: in this process, or by workers that this process hands videos to."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from functools import partial
from types import FrameType

from extract.run.crew import Crew
from extract.run.desk import StoreDesk
from extract.run.devices import slots_on
from extract.run.engine import Begin, ClusterShare, Engine, Work
from extract.run.existing_store import compare, video_changed
from extract.run.loop import decode_pool, extract_videos, until_done
from extract.run.processes import ProcessEngine
from extract.run.profile import RunProfile
from extract.run.report import RunReport
from extract.run.selection import longest_first
from extract.run.watching import Watching, WatchOptions, watched_run
from extract.settings import ExtractSettings
from extract.stream import Stream
from extract.videos.listing import ListedVideo
from seds_core.console import progress_bar
from seds_core.store.layout import StoreKind
from seds_core.store.place import StoreLocation
from seds_core.store.provenance import Provenance
from seds_core.store.reader import StoreReader
from seds_core.store.writer import StoreWriter


@dataclass(frozen=True)
class Extraction:
    """Extracts what a store lacks of some videos, or has otherwise."""

    store: StoreLocation
    videos: Sequence[ListedVideo]
    settings: ExtractSettings
    fitted: Callable[[Provenance], Provenance]
    """How the rows of a loaded network are made, for this store."""
    watch: WatchOptions
    _: KW_ONLY
    wait: bool
    as_json: bool

    def of_nothing(self, kind: StoreKind) -> RunReport:
        """Everything is there."""
        with reporting(kind, 0, len(self.videos), as_json=self.as_json) as report:
            return report

    def here(self, load: Callable[[], Stream]) -> tuple[RunReport, RunProfile]:
        """In this process."""
        run, frames = self.settings.run, self.settings.frames
        with (
            stop_requests(),
            watched_run(self.store, self.watch) as watching,
            decode_pool(run) as pool,
        ):
            began = time.monotonic()
            stream = load()  # while the decoders start
            made = self.fitted(stream.provenance)
            times = RunProfile(run.decode_workers, loading=time.monotonic() - began)
            with self._desk(made, watching, in_order=True) as desk:
                turn = partial(extract_videos, desk, stream, pool, frames, times)
                until_done(turn, desk, wait=self.wait)
        times.end()
        return desk.report, times

    def by_workers(self, engine: Engine) -> tuple[RunReport, RunProfile]:
        """By workers of their own."""
        with stop_requests(), watched_run(self.store, self.watch) as watching, engine:
            crew = Crew(engine, self.settings.run.video_timeout)
            made = self.fitted(crew.provenance())
            with self._desk(made, watching, in_order=False) as desk:
                crew.begin(made, Begin(desk.records()))
                until_done(partial(crew.take_turn, desk), desk, wait=self.wait)
                # Rows are packed while the workers end.
                profiles = crew.stop()
        return desk.report, RunProfile.summed(profiles)

    @contextmanager
    def _desk(self, made: Provenance, watching: Watching, *, in_order: bool) -> Iterator[StoreDesk]:
        with StoreWriter(self.store, made) as writer:
            # Another process may have finished videos meanwhile: compare with what there is now.
            found = compare(self.videos, writer.videos, video_changed)
            wanted = {video.video_id for video in found.todo}
            # What is there as it is now may have failed once; that is no longer true.
            writer.forget_failures({video.video_id for video in self.videos} - wanted)
            failed_before = StoreReader(self.store).failures
            folder_fps = self.settings.frames.folder_fps
            todo = found.todo if in_order else longest_first(found.todo, folder_fps)
            with reporting(made.kind, len(todo), found.num_there, as_json=self.as_json) as report:
                report.listeners = (watching.log, watching.state)
                watching.state.begin(len(todo), made.device, partial(setattr, writer, "state"))
                yield StoreDesk(todo, writer, report)
        # Other processes may have failed at videos of this run.
        for video_id, failure in StoreReader(self.store).failures.items():
            if video_id in wanted and failure != failed_before.get(video_id):
                report.failed_elsewhere(failure)
        watching.log("summary", report.summary(store=str(self.store)))


def engine_for(
    work: Work, num_readers: int, devices: list[str], cluster: ClusterShare | None
) -> Engine:
    """Where workers run: on the devices of this machine, or on a cluster.

    ``num_readers`` processes decode or read for them all or, on a cluster, for each.
    """
    if cluster is None:
        return ProcessEngine(work, slots_on(devices, num_readers))
    from extract.run.ray_engine import RayEngine  # noqa: PLC0415 - Ray is an optional install

    return RayEngine(work, cluster, num_readers)


@contextmanager
def stop_requests() -> Iterator[None]:
    """Lets SIGTERM (a cluster that ends a job) do what Ctrl-C does: raise ``KeyboardInterrupt``."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def reporting(
    kind: StoreKind, num_todo: int, num_there: int, *, as_json: bool
) -> Iterator[RunReport]:
    """The report of a run, beside a progress bar."""
    with progress_bar() as progress:
        task = progress.add_task(f"{kind} videos", total=num_todo, rates="")
        yield RunReport(progress, task, num_there, as_json=as_json)
