"""A video file that is looked for: stage one runs on it as it ran on the videos of training.

The networks stay loaded between queries, and so does the process that decodes: a file that crashes
or hangs its decoder costs only itself. Rows go through stores in a temporary folder, which training
data takes too, and nothing of them stays.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from extract.rgb.provenance import KeptFrames
from extract.rgb.rgb_stream import RgbStream
from extract.run.loop import decode_job, source_of
from extract.run.streams import extraction_device, load_stream
from extract.settings import ExtractSettings
from extract.stream import Stream, rows_of
from extract.videos.decode_pool import DecodePool
from extract.videos.decoding import DecodedVideo
from extract.videos.listing import ListedVideo
from extract.videos.part import WHOLE, FrameCountChanged, VideoPart
from search.engine.ragged_tokens import QueryTokens
from search.index.stage_one import StageOne
from search.query.one_video import encode_video, query_tokens
from search.results import Span
from seds_core.clip_plan import timeline_length
from seds_core.errors import UnavailableError, UsageError
from seds_core.store.provenance import Provenance
from seds_core.store.records import FinishedVideo, VideoSource
from seds_core.store.writer import BulkWriter
from train.data.retrieval_data import sign_reader
from train.data.rgb_stores import RgbChoice
from train.data.sign_reader import SignReader
from train.data.stage_stores import open_stage_stores
from train.evaluation.load_model import RunModel
from train.settings import MixedStore

MAX_SECONDS = 300.0
"""Of a video that is looked for: decoding more would keep others waiting."""

MIN_FRAMES = 4
"""Of a video that is looked for: fewer show no movement."""

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


class VideoEncoder:
    """Encodes video files one after the other; several threads may ask at once."""

    def __init__(self, run: RunModel, stage_one: StageOne, device: str) -> None:
        """Loads nothing yet."""
        # What the stores of training decided decides for this video too.
        settings = run.settings.model_copy(update={"keypoints": stage_one.keypoints})
        self._run = replace(run, settings=settings)
        self._stage_one = stage_one
        self._device = device
        self._pose: Stream | None = None
        self._rgb: tuple[RgbStream, ...] = ()
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
        video = ListedVideo(QUERY, path, part)
        with self._encoding, TemporaryDirectory(prefix="seds-query-") as folder:
            self._load()
            pose, rgb, source = self._extracted(video, Path(folder))
            stores = open_stage_stores(
                self._run.stage, self._run.settings.keypoints, rgb=rgb, pose=pose
            )
            reader = sign_reader(stores)
            warnings = tuple(self._warnings(reader, source))
            signs = encode_video(self._run, reader, QUERY)
        tokens = query_tokens(signs, self._run.stage, self._run)
        return VideoQuery(tokens, source.duration, warnings)

    def prepare(self) -> None:
        """Loads the networks and starts the decoder now."""
        with self._encoding:
            self._load()

    def close(self) -> None:
        """Ends the process that decodes."""
        with self._encoding:
            pool, self._pool = self._pool, None
            if pool is not None:
                pool.__exit__(None, None, None)

    def _load(self) -> None:
        if self._pool is None:  # It loads its libraries while the networks are loaded here.
            self._pool = DecodePool(1, DECODE_TIMEOUT).__enter__()
        wanted = self._stage_one
        if wanted.pose is not None and self._pose is None:
            pose = load_stream("pose", wanted.pose, self._device)
            self._refuse_other("pose", pose.provenance)
            self._pose = pose
        if len(self._rgb) < len(wanted.rgb):
            device = str(extraction_device(self._device))
            # Which frames show a hand is found out for each video anew.
            rgb = tuple(RgbStream.load(settings, device) for settings in wanted.rgb)
            for number, stream in enumerate(rgb, 1):
                name = "rgb" if len(rgb) == 1 else f"rgb_{number}"
                self._refuse_other(name, stream.provenance)
            self._rgb = rgb

    def _refuse_other(self, name: str, found: Provenance) -> None:
        """Raises ``UnavailableError`` for a network that is not the one behind a store."""
        recorded = Provenance.from_attributes(self._run.trained_on[name])
        # A pose store's part in the clips is not loaded with a network.
        names_pose = ("weights.pose_store_sha256", "settings.rgb.frames", "settings.rgb.hand_rules")
        differences = [
            difference
            for difference in recorded.differences(found)
            if not difference.startswith((*names_pose, "clip_frames"))
        ]
        if differences:
            raise UnavailableError(
                f"the {name} network that is found here is another one than that behind the "
                f"model's videos (theirs / here): {'; '.join(differences)}"
            )

    def _extracted(
        self, video: ListedVideo, folder: Path
    ) -> tuple[Path | None, RgbChoice | None, VideoSource]:
        """The stores of the video's rows, and what is known of it."""
        stage_one, pose_store, sources = self._stage_one, None, []
        if self._pose is not None and stage_one.pose is not None:
            found = self._rows(video, self._pose, stage_one.pose)
            if not found.rows["person_found"].any():
                raise QueryVideoError(f"no person is found in any frame of {video.path}")
            pose_store = _stored(folder / "pose.zarr", self._pose, found)
            sources.append(found.source)
        mixed: list[MixedStore] = []
        for stream, settings, mix in zip(self._rgb, stage_one.rgb, stage_one.mix, strict=True):
            if stage_one.clips_need_pose:
                assert pose_store is not None
                stream = replace(stream, kept_frames=_frames_with_hands(pose_store, settings))
            found = self._rows(video, stream, settings)
            store = _stored(folder / f"rgb_{len(mixed)}.zarr", stream, found)
            mixed.append(MixedStore(store=store, mix=mix))
            sources.append(found.source)
        rgb = mixed[0].store if len(mixed) == 1 else tuple(mixed) or None
        return pose_store, rgb, sources[-1]

    def _rows(self, video: ListedVideo, stream: Stream, settings: ExtractSettings) -> FinishedVideo:
        assert self._pool is not None
        job = decode_job(video, stream, settings.frames)
        videos = self._pool.stream([job])
        decoded = next(videos)
        try:
            _refuse_length(decoded)
            return FinishedVideo(rows=rows_of(stream, decoded), source=source_of(decoded))
        except FrameCountChanged as change:
            # The container erred; what decoding counted is the truth.
            again = self._pool.decode(replace(job, num_frames=change.num_frames))
            return FinishedVideo(rows=rows_of(stream, again), source=source_of(again))
        finally:
            # Asked for another video, the pool frees its process; left alone, it would end it.
            next(videos, None)

    def _warnings(self, reader: SignReader, source: VideoSource) -> Iterator[str]:
        if reader.pose is not None:
            seen = reader.read_keypoints(reader.locate(QUERY))
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


def _frames_with_hands(pose_store: Path, settings: ExtractSettings) -> KeptFrames:
    """Raises :class:`QueryVideoError` where no frame shows a hand."""
    kept = KeptFrames.open(pose_store, settings.rgb.hand_rules)
    if not len(kept.of(QUERY, settings.frames.max_frames).frames):
        raise QueryVideoError("no frame of the video shows a hand well enough to be used")
    return kept


def _stored(path: Path, stream: Stream, video: FinishedVideo) -> Path:
    with BulkWriter(path, stream.provenance) as writer:
        writer.add(video)
    return path
