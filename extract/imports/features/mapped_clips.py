"""Checks that the clips of a frame map can be those of a video's features."""

from pathlib import Path

from extract.imports.features.frame_map import MappedClips
from seds_core.errors import ImportedFileError


def check_clips(path: Path, clips: MappedClips, num_rows: int, clip_length: int) -> None:
    """Raises :class:`ImportedFileError`, of the features' ``path``, for the first contradiction.

    There must be as many clips as rows, numbered 0, 1, ..., each beginning later than the one
    before, and all within the video.
    """
    num_clips = len(clips.clip)
    num_frames = int(clips.num_frames[0])
    problems = {
        f"has {num_rows} rows, and the frame map has {num_clips} clips": num_clips != num_rows,
        "its clips are not numbered 0, 1, ... in the frame map": (
            clips.clip.tolist() != list(range(num_clips))
        ),
        "the frame map has several num_frames of it": (clips.num_frames != num_frames).any(),
        "a clip does not begin later than the one before": (
            (clips.first_frame[1:] <= clips.first_frame[:-1]).any()
        ),
        "a clip begins before frame 0": clips.first_frame[0] < 0,
    }
    found = next((problem for problem, is_found in problems.items() if is_found), None)
    found = found or (
        _named_frames_problem(clips, num_frames)
        if clips.frames.size
        else _even_frames_problem(clips, num_frames, clip_length)
    )
    if found:
        raise ImportedFileError(path, found)


def _named_frames_problem(clips: MappedClips, num_frames: int) -> str | None:
    if (clips.frames[:, 1:] < clips.frames[:, :-1]).any():
        return "the frames of a clip do not ascend"
    if clips.frames.max() >= num_frames:
        return f"the frame map names frame {clips.frames.max()} of {num_frames} (from 0)"
    return None


def _even_frames_problem(clips: MappedClips, num_frames: int, clip_length: int) -> str | None:
    """Clips begin at frames of the timeline (every ``frame_step``-th), and end within it.

    A timeline shorter than a clip is one clip, whose last frame counts several times.
    """
    step = int(clips.frame_step[0])
    if step < 1 or (clips.frame_step != step).any():
        return "its frame_step is not one number of at least 1"
    if (clips.first_frame % step).any():
        return f"a clip begins at a frame that is no multiple of its frame_step {step}"
    timeline = max(clip_length, -(-num_frames // step))
    last = int(clips.first_frame[-1])
    if num_frames < 1 or last // step + clip_length > timeline:
        return (
            f"its last clip, {clip_length} frames from frame {last} on, ends after its "
            f"{num_frames} frames"
        )
    return None
