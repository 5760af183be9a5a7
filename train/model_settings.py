"""The sizes and variants of the model's parts; the defaults are the published ones."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from seds_core.pipeline_file import Settings

Count = Annotated[int, Field(ge=1)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
Weight = Annotated[float, Field(ge=0)]


class TextSettings(Settings):
    """Which network encodes sentences."""

    encoder: str = "clip"
    """``clip`` (the text transformer of ViT-B/32), ``minilm`` (English; a package of its own), or
    the hub name or folder of any Hugging Face text encoder."""

    weights: str = "openai"
    """For ``clip``: ``openai`` (downloaded once), the path of a file with CLIP's weights, or
    ``random``."""

    max_words: Annotated[int, Field(ge=3, le=77)] = 32
    """Places of a sentence, start and end included."""

    width: Annotated[int, Field(ge=64)] = 512
    """For ``clip``: features inside the transformer; others than 512 allow ``random`` weights only.
    Heads have 64 features each."""

    layers: Count = 12
    """For ``clip``: blocks."""

    frozen: bool = False
    """Leaves the pretrained encoder as it is; ``--freeze text`` does the same."""

    @model_validator(mode="after")
    def _heads_fit(self) -> "TextSettings":
        if self.width % 64:
            raise ValueError(f"text.width must be a multiple of 64, found {self.width}")
        return self


class PoseEncoderSettings(Settings):
    """Graph and temporal networks over keypoints."""

    width: Annotated[int, Field(ge=4, multiple_of=4)] = 512
    """Features of a hand or the body in a frame; joint blocks have a quarter and a half of it."""

    dropout: Dropout = 0.05
    """In the graph blocks."""

    head_dropout: Dropout = 0.25
    """After the last 1x1 convolution of a part."""


class StreamSettings(Settings):
    """The transformer of each stream."""

    width: Annotated[int, Field(ge=64)] = 768
    """Features inside; heads have 64 each."""

    layers: Count = 12
    """Blocks."""

    initial: Literal["clip", "random"] = "clip"
    """``clip``: the image transformer of the weights that the text encoder uses, where it is CLIP's
    and sizes agree; otherwise random, with a warning."""

    @model_validator(mode="after")
    def _heads_fit(self) -> "StreamSettings":
        if self.width % 64:
            raise ValueError(f"streams.width must be a multiple of 64, found {self.width}")
        return self


class CgafSettings(Settings):
    """Cross gloss attention fusion."""

    neighbours: tuple[Count, ...] = (5, 3)
    """Places that a token looks at, layer by layer."""

    heads: Count = 8
    """Heads of each attention."""

    hidden: Count = 2048
    """Features inside feed-forward layers and the fusion's perceptron."""

    dropout: Dropout = 0.1
    """In attention and feed-forward layers."""

    sampling: Literal["published", "exact"] = "published"
    """``published``: as published weights learned it; ``exact``: the method as written."""


class SimilaritySettings(Settings):
    """Fine-grained matching."""

    temperature: Annotated[float, Field(gt=0)] = 0.07
    """Of the softmax over words or clips."""

    padding: Literal["published", "masked"] = "published"
    """``published``: that softmax sees padding; ``masked``: it sees what is real."""


class LossSettings(Settings):
    """Weights of the losses. The paper writes 0.8 for pose and RGB; its code and weights use 1."""

    fusion: Weight = 1.0
    """Fusion and text."""
    pose: Weight = 1.0
    """Pose and text."""
    rgb: Weight = 1.0
    """RGB and text."""
    pose_rgb_matching: Weight = 0.4
    """Pose and RGB."""
