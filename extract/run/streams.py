"""Loads a stream by its name; only what that stream needs is imported."""

from typing import TYPE_CHECKING

from extract.settings import ExtractSettings, RgbSettings
from extract.stream import Stream
from seds_core.device import choose_device
from seds_core.errors import UsageError
from seds_core.store.layout import StoreKind
from seds_core.store.place import StoreLocation
from seds_core.store.provenance import Provenance

if TYPE_CHECKING:
    import torch


def load_stream(
    kind: StoreKind,
    settings: ExtractSettings,
    device: str = "auto",
    pose_store: StoreLocation | None = None,
) -> Stream:
    """The RGB or the pose stream on a device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    ``pose_store`` says for ``rgb.frames: hands`` which frames show one. Raises ``UsageError`` when
    that is missing or not needed, and ``UnavailableError`` when the network cannot be had.
    """
    if kind == "rgb":
        from extract.rgb.rgb_stream import RgbStream  # noqa: PLC0415 - mmpose is not needed

        _check_pose_store(settings.rgb, pose_store)
        return RgbStream.load(settings, str(extraction_device(device)), pose_store)
    from extract.pose.pose_stream import PoseStream  # noqa: PLC0415 - mmpose takes seconds

    return PoseStream.load(settings, str(extraction_device(device)))


def known_provenance(
    kind: StoreKind, settings: ExtractSettings, pose_store: StoreLocation | None = None
) -> Provenance | None:
    """The provenance of :func:`load_stream`, but for the device, without loading a network.

    ``None`` where only the loaded network tells. Raises like :func:`load_stream`.
    """
    # Neither module imports torch, so that a finished run is repeated in a second.
    if kind == "pose":
        from extract.pose.provenance import (  # noqa: PLC0415 - imports what its model needs
            describe_pose_model,
            pose_provenance,
        )

        return pose_provenance(settings, describe_pose_model(settings.pose), device="")
    from extract.rgb.provenance import (  # noqa: PLC0415
        FEATURE_DIMS,
        KeptFrames,
        describe_weights,
        rgb_provenance,
    )

    rgb = settings.rgb
    _check_pose_store(rgb, pose_store)
    weights = describe_weights(rgb.backbone, rgb.weights)
    if weights is None:
        return None
    kept = KeptFrames.open(pose_store, rgb.hand_rules) if pose_store else None
    return rgb_provenance(settings, weights, FEATURE_DIMS[rgb.backbone], kept, device="")


def extraction_device(name: str) -> "torch.device":
    """The device that ``--device`` names, set up so that float32 means float32 there.

    Raises ``UsageError`` for one that is not there.
    """
    device = choose_device(name)
    # Torch's switches hold for all threads of the process, so they are set before any network.
    use_exact_float32()
    return device


def _check_pose_store(settings: RgbSettings, pose_store: StoreLocation | None) -> None:
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


def use_exact_float32() -> None:
    """Makes float32 mean float32, and every run of a network use the same kernels.

    By itself torch computes convolutions on a GPU in TF32, which keeps 10 of a number's 23 bits.
    """
    import torch  # noqa: PLC0415 - takes seconds

    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    # Benchmarking takes the kernel that was fastest just now, which may be another every time.
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
