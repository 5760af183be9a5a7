"""Stream transformers begin as CLIP's image transformer, where the text encoder is CLIP's too."""

from torch import nn

from seds_core.console import warn
from train.checkpoints.import_report import ImportReport
from train.checkpoints.import_weights import import_tensors
from train.model_settings import StreamSettings, TextSettings
from train.text.clip_weights import clip_tensors


def start_streams(
    model: nn.Module, streams: StreamSettings, text: TextSettings
) -> ImportReport | None:
    """Copies CLIP's blocks, norms, class token and projection into the model's streams.

    The layer that reads clips stays random, and so do positions unless there are as many as CLIP
    has. ``None``, with a warning unless the settings ask for it, where all stays random. Raises
    what :func:`~train.text.clip_weights.clip_tensors` does.
    """
    if streams.initial == "random":
        return None
    if text.encoder != "clip" or text.weights == "random":
        warn("the streams start with random weights, because the text encoder has none of CLIP's")
        return None
    image = {n: t for n, t in clip_tensors(text.weights).items() if n.startswith("visual.")}
    class_token = image.get("visual.class_embedding")
    if class_token is None or class_token.shape[0] != streams.width:
        found = "no" if class_token is None else f"a {class_token.shape[0]} wide"
        warn(
            f"the streams start with random weights, because text.weights has {found} image "
            f"transformer, and streams.width is {streams.width}"
        )
        return None
    return import_tensors(model, image, f"text.weights {text.weights}")
