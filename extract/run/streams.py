"""Loads a stream by its name; only what that stream needs is imported."""

from extract.run.stream import Stream
from extract.settings import ExtractSettings
from seds_core.errors import UsageError
from seds_core.store.layout import StoreKind


def load_stream(kind: StoreKind, settings: ExtractSettings, device: str) -> Stream:
    """The RGB or the pose stream on a device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    if kind == "rgb":
        from extract.rgb.rgb_stream import RgbStream  # noqa: PLC0415 - mmpose is not needed

        return RgbStream.load(settings, resolve_device(device))
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
