"""Makes an import format from what a person asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from extract.imports.features.npy_features import NpyFeatures
from extract.imports.features.published_features import PublishedFeatures
from extract.imports.features.video_clips import PlannedClips
from extract.imports.imported import ImportFormat
from extract.imports.keypoints.coco_wholebody import open_coco_wholebody
from extract.imports.keypoints.openpose_folders import OpenPoseFolders
from extract.imports.keypoints.pose_files import PoseFiles
from extract.imports.keypoints.published_keypoints import PublishedKeypoints
from extract.imports.published_files import PublishedFiles, VideoNames
from extract.imports.request import FormatName, ImportRequest
from extract.imports.video_facts import KnownFacts
from extract.rgb.provenance import KeptFrames
from extract.settings import ExtractSettings
from extract.videos.listing import videos_of_index
from seds_core.dataset_index import read_index
from seds_core.errors import UsageError


@dataclass(frozen=True)
class _Asked:
    """A request, with the pipeline's settings in place of what it leaves open."""

    request: ImportRequest
    settings: ExtractSettings

    @property
    def image_size(self) -> tuple[int, int] | None:
        return self.request.image_size or self.settings.imports.image_size

    @property
    def fps(self) -> float | None:
        return self.request.fps or self.settings.imports.fps

    @property
    def folder_fps(self) -> float:
        return self.fps or self.settings.frames.folder_fps

    @property
    def facts(self) -> KnownFacts:
        path = self.request.index
        videos = videos_of_index(path).videos if path else ()
        return KnownFacts(
            self.image_size, self.fps, self.folder_fps, {video.video_id: video for video in videos}
        )

    @property
    def files(self) -> PublishedFiles:
        path = self.request.index
        names = VideoNames.of(read_index(path)) if path else None
        return PublishedFiles(self.request.source, names)


def make_format(request: ImportRequest, settings: ExtractSettings) -> ImportFormat:
    """The format that a request names, of the files that it names.

    What the request leaves open is as the pipeline says. Raises ``UsageError`` for files that are
    not there and for options that the format has no use for.
    """
    if not request.source.exists():
        raise UsageError(f"{request.source} does not exist")
    _check_options(request)
    return _MAKERS[request.format](_Asked(request, settings))


def _published_features(asked: _Asked) -> ImportFormat:
    planned = None
    if asked.request.pose:
        kept = KeptFrames.open(asked.request.pose, asked.settings.rgb.hand_rules)
        planned = PlannedClips(kept, asked.settings)
    return PublishedFeatures.open(asked.files, asked.settings, asked.folder_fps, planned)


def _published_keypoints(asked: _Asked) -> ImportFormat:
    return PublishedKeypoints.open(asked.files, asked.facts, asked.image_size, asked.folder_fps)


def _npy(asked: _Asked) -> ImportFormat:
    request, settings = asked.request, asked.settings
    return NpyFeatures(
        request.source, request.frame_map, asked.facts, settings.rgb, folder_fps=asked.folder_fps
    )


def _pose(asked: _Asked) -> ImportFormat:
    return PoseFiles(asked.request.source, folder_fps=asked.folder_fps)


def _openpose(asked: _Asked) -> ImportFormat:
    return OpenPoseFolders(asked.request.source, asked.facts, folder_fps=asked.folder_fps)


def _coco_wholebody(asked: _Asked) -> ImportFormat:
    return open_coco_wholebody(asked.request.source, asked.facts, folder_fps=asked.folder_fps)


_MAKERS: Mapping[FormatName, Callable[[_Asked], ImportFormat]] = {
    "published-features": _published_features,
    "published-keypoints": _published_keypoints,
    "npy": _npy,
    "pose": _pose,
    "openpose": _openpose,
    "coco-wholebody": _coco_wholebody,
}


def _check_options(request: ImportRequest) -> None:
    """An option that decides nothing would be a mistake that nobody notices."""
    if request.pose and request.format != "published-features":
        raise UsageError(f"--pose is for published-features, not for {request.format}")
    if request.frame_map and request.format != "npy":
        raise UsageError(f"--frame-map is for npy, not for {request.format}")
