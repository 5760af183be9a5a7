"""Writes what stores know of a video as a contact sheet (PNG) or as a film (MP4)."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from extract.inspection.annotation import Annotation, read_annotation
from extract.inspection.drawing import Picture
from extract.videos.frame import Frame
from extract.videos.frame_source import open_frames
from seds_core.errors import UsageError
from seds_core.store.reader import StoreReader

SHEET_FRAMES = 12
SHEET_COLUMNS = 4
TILE_WIDTH = 320
FILM_WIDTH = 640


def write_pictures(
    stores: tuple[Path, ...], video_id: str, picture: Path, *, with_film: bool
) -> Iterator[Path]:
    """Draws what the stores hold of a video into ``picture`` and a film beside it.

    Raises ``UsageError`` when a store has not the video or the name has no picture's ending,
    ``VideoError`` when the video cannot be read any more, and ``OSError`` when there is no place.
    """
    if not cv2.haveImageWriter(picture.name):
        raise UsageError(
            f"--out {picture}: the name must end like a picture's, such as {picture.stem}.png"
        )
    annotation = read_annotation([StoreReader(path) for path in stores], video_id)
    write_contact_sheet(picture, annotation)
    yield picture
    if with_film:
        film = picture.with_suffix(".mp4")
        write_film(film, annotation)
        yield film


def write_contact_sheet(path: Path, annotation: Annotation) -> None:
    """Writes evenly spaced frames of the video, drawn upon, as one picture.

    Raises ``VideoError`` when the video cannot be read any more.
    """
    count = min(SHEET_FRAMES, annotation.num_frames)
    wanted = np.linspace(0, annotation.num_frames - 1, count, dtype=int).tolist()
    tiles = [
        annotation.draw(frame, index, TILE_WIDTH)
        for index, frame in _frames(annotation)
        if index in wanted
    ]
    _, content = cv2.imencode(path.suffix, cv2.cvtColor(_grid(tiles), cv2.COLOR_RGB2BGR))
    path.write_bytes(content.tobytes())  # which raises, where cv2.imwrite gives False


def write_film(path: Path, annotation: Annotation) -> None:
    """Writes the whole video, drawn upon, as H.264.

    Raises ``VideoError`` when the video cannot be read any more.
    """
    rate = Fraction(annotation.fps).limit_denominator(1001)
    with av.open(str(path), "w", format="mp4") as film:
        stream = None
        for index, frame in _frames(annotation):
            picture = _even(annotation.draw(frame, index, FILM_WIDTH))
            if stream is None:
                stream = film.add_stream("libx264", rate=rate, options={"crf": "20"})
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
            film.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        if stream is not None:
            film.mux(stream.encode(None))


def _frames(annotation: Annotation) -> Iterator[tuple[int, Frame]]:
    source = open_frames(annotation.path, annotation.fps, part=annotation.part)
    return enumerate(source.frames())


def _grid(tiles: list[Picture]) -> Picture:
    """Tiles of one size, row by row; the last row is filled with black."""
    missing = -len(tiles) % SHEET_COLUMNS
    padded = np.stack([*tiles, *[np.zeros_like(tiles[0])] * missing])
    rows = padded.reshape(-1, SHEET_COLUMNS, *tiles[0].shape)
    return np.concatenate([np.concatenate(list(row), axis=1) for row in rows])


def _even(picture: Picture) -> Picture:
    """Without the last row or column where their number is odd: yuv420p has half the colours."""
    height, width = picture.shape[:2]
    return np.ascontiguousarray(picture[: height // 2 * 2, : width // 2 * 2])
