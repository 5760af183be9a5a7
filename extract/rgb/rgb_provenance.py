"""What decides the RGB features of a run, told from its settings and files."""

from dataclasses import asdict

from extract.rgb.kept_frames import KeptFrames
from extract.rgb.weights_files import LoadedWeights
from extract.settings import ExtractSettings
from extract.videos.frame import DECODING_RULES
from seds_core.store.layout import DeviceKind, Provenance


def rgb_provenance(
    settings: ExtractSettings,
    weights: LoadedWeights,
    feature_dim: int,
    kept: KeptFrames | None,
    device: DeviceKind,
) -> Provenance:
    """What a store remembers; ``kept`` are the frames with a hand, where only those are taken."""
    only_for_hands = {"frames", "hand_rules"}
    return Provenance(
        kind="rgb",
        settings=settings.model_dump(
            mode="json",
            include={"frames": True, "rgb": True},
            exclude={"rgb": only_for_hands if kept is None else set()},
        ),
        weights=asdict(weights) | ({"pose_store_sha256": kept.identity} if kept else {}),
        feature_dim=feature_dim,
        feature_dtype=settings.rgb.store_dtype,
        clip_frames=settings.rgb.clip_length if kept else 0,
        device=device,
        decoding=DECODING_RULES,
    )
