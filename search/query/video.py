"""A video file that is looked for: stage one runs on it as it ran on the videos of training.

The networks stay loaded between queries, and so does the process that decodes: a file that crashes
or hangs its decoder costs only itself. Rows go through stores in a temporary folder, which training
data takes too, and nothing of them stays.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

from extract.rgb.provenance import KeptFrames
from extract.rgb.rgb_stream import RgbStream
from extract.run.loop import decode_job, source_of
from extract.run.streams import extraction_device, load_stream
from extract.settings import ExtractSettings
from extract.stream import Rows, Stream, rows_of
from extract.videos.decode_pool import DecodePool
from extract.videos.decoding import DecodedVideo
from extract.videos.listing import ListedVideo
from extract.videos.part import WHOLE, FrameCountChanged, VideoPart
from search.engine.ragged_tokens import QueryTokens
from search.query.one_video import encode_video, open_video, query_tokens, stores_of
from search.results import Span
from seds_core.clip_plan import timeline_length
from seds_core.errors import UnavailableError, UsageError
from seds_core.pipeline_file import validated
from seds_core.store.layout import StoreKind
from seds_core.store.provenance import Provenance
from seds_core.store.staging import FinishedVideo, VideoSource
from seds_core.store.writer import BulkWriter
from train.data.retrieval_data import RetrievalData
from train.evaluation.load_model import RunModel

MAX_SECONDS = 300.0
"""Of a video that is looked for: decoding more would keep others waiting."""

MIN_FRAMES = 4
"""Of a video that is looked for: less shows no movement."""

DECODE_TIMEOUT = 60.0
"""Seconds without a frame after which a decoder counts as hung."""

QUERY = "query"
"""Id of the only video in a temporary store."""


class QueryVideoError(UsageError):
    """A video that cannot be looked for; the message says why."""


@dataclass(frozen=True)
class VideoQuery:
    """An encoded video."""

    tokens: QueryTokens
    seconds: float
    """How long it is."""
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class StageOne:
    """What made the rows of one store that the model was trained on."""

    name: str
    """``pose``, ``rgb``, or ``rgb_1`` and further ones that are mixed."""
    kind: StoreKind
    settings: ExtractSettings
    recorded: Provenance
    mix: float
    """Weight of the features where several stores are mixed."""


def stage_one(trained_on: Mapping[str, Any]) -> tuple[StageOne, ...]:
    """Returns how the rows of each store of a training run were made, poses first.

    ``trained_on`` maps ``pose`` and ``rgb`` (``rgb_1``, ``rgb_2`` where features are mixed) to a
    store's path and provenance. Raises :class:`QueryVideoError` for imported rows, which no video
    here can become.
    """
    found = []
    # Poses tell which frames the clips are made of, where those without hands are left out.
    for name in sorted(trained_on, key=lambda name: (name != "pose", name)):
        recorded = Provenance.from_attributes(trained_on[name])
        if recorded.imported_from is not None:
            raise QueryVideoError(
                f"the model was trained on imported {name} rows (format "
                f"{recorded.imported_from.format}), and what made them is not here: a video file "
                "cannot be searched with. Search by sentence, or like a video of the index"
            )
        settings = validated(
            recorded.recorded_settings, ExtractSettings, f"the extraction settings of {name}"
        )
        kind: StoreKind = "pose" if name == "pose" else "rgb"
        mix = trained_on[name].get("mix", 1.0)
        found.append(StageOne(name, kind, settings, recorded, mix))
    return tuple(found)


class VideoEncoder:
    """Encodes video files one after the other; several threads may ask at once."""

    def __init__(self, run: RunModel, device: str) -> None:
        """Loads nothing yet; raises like :func:`stage_one`."""
        self._run = run
        self._device = device
        used = {"fusion": ("rgb", "pose"), "rgb": ("rgb",), "pose": ("pose", "rgb")}[run.stage]
        self._stages = [stage for stage in stage_one(run.trained_on) if stage.kind in used]
        self._streams: list[Stream] = []
        self._pool: DecodePool | None = None
        # Networks, and the decoder, take one video at a time.
        self._encoding = Lock()

    def __call__(self, path: Path, trim: Span | None = None) -> VideoQuery:
        """Encodes a file, or the seconds ``trim`` of it.

        Raises :class:`QueryVideoError` for a video that is missing, too long, too short or without
        a person, ``VideoError`` for one that cannot be read, and ``UnavailableError`` where the
        networks of stage one cannot be had.
        """
        if not path.exists():
            raise QueryVideoError(f"there is no video {path}")
        if trim is not None and not 0 <= trim.start < trim.end:
            raise QueryVideoError(
                f"from {trim.start:g} to {trim.end:g} s is no part of a video: the end has to come "
                "after the start"
            )
        part = WHOLE if trim is None else VideoPart(trim.start, trim.end)
        with self._encoding, TemporaryDirectory(prefix="seds-query-") as folder:
            video = ListedVideo(QUERY, path, part)
            stores: list[Path] = []
            finished: list[FinishedVideo] = []
            for stage, stream in zip(self._stages, self._loaded(), strict=True):
                if isinstance(stream, RgbStream) and stage.settings.rgb.frames == "hands":
                    stream = replace(stream, kept_frames=_kept_frames(stores[0], stage.settings))
                found = self._rows(video, stage, stream)
                if stage.kind == "pose" and not found.rows["person_found"].any():
                    raise QueryVideoError(f"no person is found in any frame of {path}")
                store = Path(folder) / f"{len(stores)}.zarr"
                with BulkWriter(store, stream.provenance) as writer:
                    writer.add(found)
                stores.append(store)
                finished.append(found)
            places = {
                stage.name: {"path": store, "mix": stage.mix}
                for stage, store in zip(self._stages, stores, strict=True)
            }
            rgb, pose = stores_of(places)
            data = open_video(self._run, QUERY, rgb=rgb, pose=pose)
            source = finished[0].source
            warnings = tuple(self._warnings(data, source))
            signs = encode_video(self._run, data, QUERY)
            tokens = query_tokens(signs, self._run.stage, self._run)
            return VideoQuery(tokens, source.duration, warnings)

    def prepare(self) -> None:
        """Loads the networks and starts the decoder now."""
        with self._encoding:
            self._loaded()

    def close(self) -> None:
        """Ends the process that decodes."""
        with self._encoding:
            pool, self._pool = self._pool, None
            if pool is not None:
                pool.__exit__(None, None, None)

    def _loaded(self) -> list[Stream]:
        """The streams of stage one, loaded once."""
        if self._pool is None:
            self._pool = DecodePool(1, DECODE_TIMEOUT).__enter__()
        if len(self._streams) < len(self._stages):
            self._streams = [self._load(stage) for stage in self._stages]
        return self._streams

    def _load(self, stage: StageOne) -> Stream:
        if stage.kind == "pose":
            stream = load_stream("pose", stage.settings, self._device)
        else:
            # Frames without hands are known for each video anew.
            stream = RgbStream.load(stage.settings, str(extraction_device(self._device)))
        by_hands = stage.settings.rgb.frames == "hands" and stage.kind == "rgb"
        differences = [] if by_hands else stage.recorded.differences(stream.provenance)
        if differences:
            raise UnavailableError(
                f"the {stage.kind} network that is found here is another one than that of the "
                f"model (model / here): {'; '.join(differences)}"
            )
        return stream

    def _rows(self, video: ListedVideo, stage: StageOne, stream: Stream) -> FinishedVideo:
        assert self._pool is not None
        job = decode_job(video, stream, stage.settings.frames)
        videos = self._pool.stream([job])
        decoded = next(videos)
        try:
            _refuse_length(decoded)
            return _finished(stream, decoded)
        except FrameCountChanged as change:
            # The container erred; what decoding counted is the truth.
            again = self._pool.decode(replace(job, num_frames=change.num_frames))
            return _finished(stream, again)
        finally:
            # Asked for another video, the pool frees its process; left alone, it would end it.
            next(videos, None)

    def _warnings(self, data: RetrievalData, source: VideoSource) -> Iterator[str]:
        if data.reader.pose is not None:
            seen = data.reader.read_keypoints(data.reader.locate(QUERY))
            if not (seen.right_is_usable.any() or seen.left_is_usable.any()):
                yield "no hand is seen well in any frame of the video: hits rest on the body alone"
        timeline = timeline_length(source.num_frames, source.frame_step)
        length = self._run.layout.clip_length
        if timeline < length:
            yield (
                f"the video has {timeline} frames, fewer than the {length} of a clip: its last "
                "frame is repeated"
            )


def _refuse_length(decoded: DecodedVideo) -> None:
    """Raises :class:`QueryVideoError` for a video that is too long or has too few frames."""
    properties, path = decoded.properties, decoded.job.path
    if properties.duration > MAX_SECONDS:
        raise QueryVideoError(
            f"{path} is {properties.duration:,.0f} s long, and a video that is looked for may have "
            f"{MAX_SECONDS:g} s: name the seconds that show the sign or sentence, with --start and "
            "--end"
        )
    if properties.num_frames < MIN_FRAMES:
        frames = "1 frame" if properties.num_frames == 1 else f"{properties.num_frames} frames"
        raise QueryVideoError(f"{path} has {frames}, in which nobody can sign: take a longer one")


def _kept_frames(pose_store: Path, settings: ExtractSettings) -> KeptFrames:
    """The frames with a hand; raises :class:`QueryVideoError` where there are none."""
    kept = KeptFrames.open(pose_store, settings.rgb.hand_rules)
    if not len(kept.of(QUERY, settings.frames.max_frames).frames):
        raise QueryVideoError("no frame of the video shows a hand well enough to be used")
    return kept


def _finished(stream: Stream, decoded: DecodedVideo) -> FinishedVideo:
    rows: Rows = rows_of(stream, decoded)
    return FinishedVideo(source_of(decoded), rows)
