"""Loads a stream by its name; only what that stream needs is imported."""

from pathlib import Path

from extract.run.stream import Stream
from extract.settings import ExtractSettings, RgbSettings
from seds_core.errors import UsageError
from seds_core.store.layout import StoreKind


def load_stream(
    kind: StoreKind, settings: ExtractSettings, device: str, pose_store: Path | None = None
) -> Stream:
    """The RGB or the pose stream on a device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    ``pose_store`` says for ``rgb.frames: hands`` which frames show one. Raises ``UsageError`` when
    that is missing or not needed, and ``UnavailableError`` when the network cannot be had.
    """
    if kind == "rgb":
        from extract.rgb.rgb_stream import RgbStream  # noqa: PLC0415 - mmpose is not needed

        _check_pose_store(settings.rgb, pose_store)
        return RgbStream.load(settings, resolve_device(device), pose_store)
    from extract.pose.pose_stream import PoseStream  # noqa: PLC0415 - mmpose takes seconds

    return PoseStream.load(settings, resolve_device(device))


def resolve_device(device: str) -> str:
    """``auto`` is the first GPU where there is one; raises ``UsageError`` for a missing one."""
    import torch  # noqa: PLC0415 - takes seconds

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError(f"--device {device}: torch {torch.__version__} sees no GPU; use cpu")
    return device


def _check_pose_store(settings: RgbSettings, pose_store: Path | None) -> None:
    if settings.frames == "hands" and pose_store is None:
        raise UsageError(
            "rgb.frames is 'hands', and a pose store has to tell which frames show one: extract "
            "poses first and name their store with --pose STORE, or take all frames with "
            "--frames all"
        )
    if settings.frames == "all" and pose_store is not None:
        raise UsageError(
            f"the pose store {pose_store} would not be used, because rgb.frames is 'all': leave "
            "--pose out, or keep only frames that show a hand with --frames hands"
        )
