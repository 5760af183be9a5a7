"""The typed ``train`` section of a pipeline: every number that a training run depends on.

The defaults are the published recipe: SEDS (arXiv 2407.16394). What the stores decide (size of RGB
features, clip length, clip slots, image sizes) is read from them and is no setting.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from seds_core.pipeline_file import Settings
from seds_core.store.place import StoreLocation
from seds_core.store.provenance import HandRules

Stage = Literal["fusion", "pose", "rgb"]
Precision = Literal["float32", "bfloat16", "float16"]
BodyMeasure = Literal["image", "signer"]

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]


class TextSettings(Settings):
    """Which network encodes sentences."""

    encoder: str = "clip"
    """``clip`` (the text transformer of ViT-B/32), ``minilm`` (English; a package of its own), or
    the hub name or folder of any Hugging Face text encoder."""

    weights: str = "openai"
    """For ``clip``: ``openai`` (downloaded once), the path of a file with CLIP's weights, or
    ``random``."""

    max_words: Annotated[int, Field(ge=3, le=77)] = 32
    """Tokens of a sentence at most, start and end included."""

    width: Annotated[int, Field(ge=64, multiple_of=64)] = 512
    """For ``clip``: features inside the transformer, 64 for each head; only 512 has pretrained
    weights."""

    layers: Count = 12
    """For ``clip``: blocks."""

    frozen: bool = False
    """Does not train the pretrained encoder; ``--freeze text`` does the same."""


class PoseEncoderSettings(Settings):
    """Graph and temporal networks over keypoints."""

    width: Annotated[int, Field(ge=4, multiple_of=4)] = 512
    """Features of a hand or the body in a frame; joint blocks have a quarter and a half."""

    dropout: Dropout = 0.05
    """In the graph blocks."""

    head_dropout: Dropout = 0.25
    """After the last 1x1 convolution of a part."""

    points: Literal["graph", "linear"] = "graph"
    """What joins a frame's points: ``graph``, blocks along the skeleton and over its parts, as
    published; ``linear``, one layer over all of them, which learns more where takes are few."""

    bones: bool = False
    """Whether the encoder also sees in which direction each point lies from its neighbour nearer
    to the wrist, or to the nose."""


class StreamSettings(Settings):
    """The transformer of each stream."""

    width: Annotated[int, Field(ge=64, multiple_of=64)] = 768
    """Features inside; heads have 64 each."""

    layers: Count = 12
    """Blocks."""

    initial: Literal["clip", "random"] = "clip"
    """``clip``: the image transformer of the weights that the text encoder uses, where it is CLIP's
    and sizes agree; otherwise random, with a warning."""


class CgafSettings(Settings):
    """Cross gloss attention fusion."""

    neighbours: tuple[Count, ...] = (5, 3)
    """Positions that a token attends to, layer by layer."""

    heads: Count = 8
    """Heads of each attention."""

    hidden: Count = 2048
    """Features inside feed-forward layers and the fusion's MLP."""

    dropout: Dropout = 0.1
    """In attention and feed-forward layers."""

    drop_rgb: Dropout = 0.0
    """Fraction of training videos that are fused without their RGB tokens, where these mislead: the
    background of a few recordings is learnt sooner than their signs (ModDrop: Neverova et al. 2016,
    arXiv 1501.00102)."""

    sampling: Literal["published", "exact"] = "published"
    """``published``: as published weights learned it; ``exact``: as the paper describes it."""


class SimilaritySettings(Settings):
    """Fine-grained matching."""

    temperature: Annotated[float, Field(gt=0)] = 0.07
    """Of the softmax over words or clips."""

    padding: Literal["published", "masked"] = "published"
    """``published``: that softmax sees padding; ``masked``: it sees real words and clips only."""


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


class TargetSettings(Settings):
    """Which videos and sentences of a batch are taught to match."""

    positives: Literal["own", "same_sentence"] = "own"
    """``own``: a video and its own sentence alone, as published, though another row may hold the
    same sentence; ``same_sentence``: all rows of the sentence alike."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Part of the target that is spread evenly over the batch."""


class MixedStore(Settings):
    """One of several RGB stores whose features are added up, as CiCo does with two backbones."""

    store: StoreLocation
    """Store of RGB features."""

    mix: Fraction
    """Weight of its features in the sum; all weights together are 1."""


class DataSettings(Settings):
    """Where the data is, and how batches are made. Paths are relative to the working
    folder; a store may lie in a bucket, as ``s3://bucket/pose.zarr``."""

    index: Path | None = None
    """CSV file of videos, sentences and splits; ``--index`` replaces it."""

    rgb: StoreLocation | tuple[MixedStore, ...] | None = None
    """Store of RGB features, or several of the same clips that are mixed; ``--rgb`` (with
    ``--mix`` for several) replaces it."""

    pose: StoreLocation | None = None
    """Store of keypoints; ``--pose`` replaces it."""

    train_split: str = "train"
    """Split that is trained on."""

    validation_split: str = "dev"
    """Split that chooses the best epoch."""

    same_sentence: Literal["together", "apart"] = "together"
    """``apart`` keeps videos of one sentence out of each other's batches, where each would count
    as a wrong answer to the other; ``together`` deals at random, as published."""

    workers: Annotated[int, Field(ge=0)] = 4
    """Processes that read ahead; 0 reads in the main process."""


class KeypointSettings(Settings):
    """From stored keypoints to the pose encoder's input."""

    rules: HandRules = "custom"
    """Which published rules decide whether a hand is usable; ``custom`` ignores its position.

    By ``seen``, which is not published, a hand is usable where its own points are seen: an arm at
    rest is none."""

    frames: Literal["all", "hands"] = "all"
    """``all``: a frame without hands is zeros, and both streams share the raw timeline; ``hands``:
    such frames are dropped, as published."""

    body: BodyMeasure = "image"
    """What nose and arms are measured by: ``image``, its size, as published; ``signer``, the width
    and the middle of the shoulders, so that it does not matter where the signer stands and how far
    from the camera."""

    max_frames: Annotated[int, Field(ge=16)] | None = 300
    """Where no RGB store decides it, a longer video keeps every k-th frame, with the smallest k
    that leaves at most this many."""

    max_clips: Count = 64
    """Clips of a video where no RGB store decides it."""

    clip_length: Count = 16
    """Frames of a clip where no RGB store decides it."""


class AugmentationSettings(Settings):
    """Random changes of training examples; never of what is evaluated."""

    swap_words: Fraction = 0.5
    """Fraction of sentences whose augmented twin has two words swapped (published)."""

    rotate_degrees: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Standard deviation of a normal random angle by which hands and body are rotated."""

    scale: Fraction = 0.0
    """Standard deviation of the logarithm of a random size."""

    shift: Annotated[float, Field(ge=0)] = 0.0
    """Standard deviation of a displacement of the whole body, in units of the encoder's 256-pixel
    box."""

    jitter: Annotated[float, Field(ge=0)] = 0.0
    """Standard deviation of the noise on every point, in units of the encoder's 256-pixel box."""

    mirror: Fraction = 0.0
    """Fraction of videos whose hands are exchanged and whose body is mirrored."""

    warp_time: Annotated[float, Field(ge=0)] = 0.0
    """Standard deviation, in frames, of a smooth displacement of the keypoints in time."""

    drop_frames: Fraction = 0.0
    """Fraction of frames whose keypoints become zeros."""

    drop_clips: Fraction = 0.0
    """Fraction of a video's clips that are dropped, from both streams alike; one always stays."""

    rgb_noise: Annotated[float, Field(ge=0)] = 0.0
    """Standard deviation of noise on RGB features, relative to each feature vector's own size."""


class LearningRates(Settings):
    """Highest learning rate of each part."""

    text: Positive = 1e-5
    """Text encoder; with CLIP, its projection too."""

    streams: Positive = 1e-5
    """Both stream transformers and the logit scale."""

    pose_encoder: Positive = 1e-4
    """Graph and temporal networks over keypoints."""

    fusion: Positive = 1e-4
    """Cross gloss attention fusion, and the new projection of a text encoder that is not CLIP."""


class OptimisationSettings(Settings):
    """Optimiser, schedule, batches and arithmetic."""

    optimiser: Literal["published", "adamw"] = "published"
    """``published``: Adam without bias correction and with a limit on each tensor's gradient."""

    epochs: Count = 200
    """Passes over the training split."""

    batch_size: Count = 128
    """Videos that are compared with each other in a step, over all processes."""

    micro_batch: Count | None = None
    """Videos that a process encodes at once; ``null`` encodes all of a step's together. The step
    still compares the whole batch (cached gradients)."""

    learning_rates: LearningRates = LearningRates()
    """Highest rates."""

    warm_up: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Fraction of all steps in which rates rise linearly from zero; then they fall as a cosine."""

    weight_decay: Annotated[float, Field(ge=0)] = 0.001
    """Weight decay of everything but biases."""

    beta1: Decay = 0.9
    """Decay of the gradients' running mean."""

    beta2: Decay = 0.98
    """Decay of the squared gradients' running mean."""

    epsilon: Positive = 1e-6
    """Added to the root of the squares' running mean."""

    clip_norm: Annotated[float, Field(gt=0, allow_inf_nan=True)] = 1.0
    """Largest norm of all gradients together and, when published, of each tensor's alone; ``.inf``
    is no limit."""

    precision: Precision = "float32"
    """Precision of the training steps' forward pass; weights and optimiser stay in float32."""

    gradient_checkpointing: bool = False
    """Recomputes activations in the backward pass: less memory, a third more time."""


class EvaluationSettings(Settings):
    """Validation while training, and ``seds-eval``."""

    every_epochs: Count = 1
    """Epochs from one validation to the next."""

    batch_size: Count = 64
    """Videos or sentences encoded at once."""

    precision: Precision = "float32"
    """Precision of the encoders. Half precision moves tokens by some 1e-2, and ranks with them."""


class ArithmeticSettings(Settings):
    """How a GPU computes, in training and evaluation alike; a CPU has no choice."""

    tf32: bool = False
    """``float32`` products and convolutions use TF32: factors of 10-bit mantissas; faster."""

    deterministic: bool = False
    """Uses kernels that repeat a run to the bit, where the usual ones add in any order; slower."""


class TrainSettings(Settings):
    """The whole section."""

    data: DataSettings = DataSettings()
    """Stores, index, splits."""
    keypoints: KeypointSettings = KeypointSettings()
    """Encoder input."""
    augmentation: AugmentationSettings = AugmentationSettings()
    """Random changes."""
    embedding_dim: Count = 512
    """Size of the tokens that are compared."""
    text: TextSettings = TextSettings()
    """Sentences."""
    pose_encoder: PoseEncoderSettings = PoseEncoderSettings()
    """Keypoints."""
    streams: StreamSettings = StreamSettings()
    """Stream transformers."""
    cgaf: CgafSettings = CgafSettings()
    """Fusion."""
    similarity: SimilaritySettings = SimilaritySettings()
    """Matching."""
    losses: LossSettings = LossSettings()
    """Weights of the losses."""
    targets: TargetSettings = TargetSettings()
    """What matches in a batch."""
    optimisation: OptimisationSettings = OptimisationSettings()
    """Steps."""
    evaluation: EvaluationSettings = EvaluationSettings()
    """Validation and evaluation."""
    arithmetic: ArithmeticSettings = ArithmeticSettings()
    """GPU arithmetic."""


DECIDES_NOTHING: dict[str, set[str]] = {
    "data": {"index", "rgb", "pose", "workers"},
    "evaluation": {"batch_size"},
}
"""Part -> settings that say where files lie and how fast they are read. They may differ when a run
is resumed, and are left out where settings are compared."""
