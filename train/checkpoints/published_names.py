"""The names of the publication's parameters, and which layout a file of weights has.

A pattern stands for a name and everything below it; ``*`` stands for a number.
"""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import cache

Pairs = tuple[tuple[str, str], ...]
"""Published pattern, our pattern."""

UNUSED = (
    r".*\.A(_pool)?",
    r"fusion\.pe\.pe",
    r"clip\.logit_scale_(first|sec)_softmax",
    r"clip(_rgb)?\.visual\.conv2_trans\.weight",
)
"""Published tensors that no output depends on: graphs and positions that are computed here, and
parameters that the published code never reads."""


def _below(published: str, ours: str, pairs: Iterable[tuple[str, str]]) -> Pairs:
    return tuple((f"{published}.{theirs}", f"{ours}.{own}") for theirs, own in pairs)


# One table for each kind of part that the model repeats, published name and ours; NAMES puts them
# together. Our side is parameter names of checkpoints, which must not change.
_ATTENTION_BLOCK = (
    ("ln_1", "attention_norm"),
    ("attn", "attention"),
    ("ln_2", "perceptron_norm"),
    ("mlp.c_fc", "expand"),
    ("mlp.c_proj", "contract"),
)
_STREAM = (
    ("conv1", "embed"),
    ("class_embedding", "class_token"),
    ("positional_embedding", "positions"),
    ("ln_pre", "norm_before"),
    *_below("transformer.resblocks.*", "blocks.*", _ATTENTION_BLOCK),
    ("ln_post", "norm_after"),
    ("proj", "projection"),
)
_TEXT = tuple(
    (name, name)
    for name in (
        "token_embedding",
        "positional_embedding",
        "transformer",
        "ln_final",
        "text_projection",
    )
)
_TEMPORAL_BLOCK = (
    ("conv1d_5.0", "wide"),
    ("conv1d_3_1.0", "narrow_first"),
    ("conv1d_3_2.0", "narrow_second"),
    ("conv1x1", "join"),
    ("bn", "norm"),
)
_GRAPH_BLOCK = (
    ("gcn.conv", "message"),
    ("tcn.0", "message_norm"),
    ("tcn.3", "mix"),
    ("tcn.4", "mix_norm"),
    ("residual", "shortcut"),
)
_SKELETON = (
    ("data_bn", "data_norm"),
    *_below("st_gcn_networks.*", "point_blocks.*", _GRAPH_BLOCK),
    *_below("st_gcn_pool.*", "part_blocks.*", _GRAPH_BLOCK),
    ("conv4.0", "head"),
    ("conv4.1", "head_norm"),
    *_below("tcn_full_b1", "temporal_blocks.0", _TEMPORAL_BLOCK),
    *_below("tcn_full_b2", "temporal_blocks.1", _TEMPORAL_BLOCK),
)
_FUSION_LAYER = (
    ("layer_norm", "own_norm"),
    ("src_src_att.q_layer", "attention.query"),
    ("src_src_att.k_layer", "attention.key"),
    ("src_src_att.v_layer", "attention.value"),
    ("src_src_att.sample_offsets", "attention.offsets"),
    ("src_src_att.output_layer", "attention.output"),
    ("feed_forward.layer_norm", "perceptron_norm"),
    ("feed_forward.pwff_layer.0", "expand"),
    ("feed_forward.pwff_layer.3", "contract"),
)
_FUSION = (
    *_below("P2R_layers.*", "pose_layers.*", _FUSION_LAYER),
    *_below("R2P_layers.*", "rgb_layers.*", _FUSION_LAYER),
    ("P2R_layer_norm", "pose_norm"),
    ("R2P_layer_norm", "rgb_norm"),
    ("mlp_fusion.mlp.c_fc", "perceptron.expand"),
    ("mlp_fusion.mlp.c_proj", "perceptron.contract"),
    ("mlp_fusion.mlp.c_proj1", "perceptron.join"),
    ("mlp_fusion.ln", "perceptron.norm"),
)
NAMES: Pairs = (
    ("clip.logit_scale", "logit_scale"),
    *_below("clip", "text.network", _TEXT),
    *_below("clip.visual", "pose_stream", _STREAM),
    *_below("clip_rgb.visual", "rgb_stream", _STREAM),
    *_below("signbert.embed.st_gcn_hand", "pose_encoder.hand", _SKELETON),
    *_below("signbert.embed.st_gcn_body", "pose_encoder.body", _SKELETON),
    *_below("signbert.GCN_Conv", "pose_encoder.clip_block", _TEMPORAL_BLOCK),
    *_below("fusion", "fusion", _FUSION),
)
"""All pairs of patterns; they import weights, and no name is on one side twice."""


def our_name(published: str) -> str | None:
    """Returns our name of a published tensor; ``None`` for one that our model does not have.

    >>> our_name("clip.visual.transformer.resblocks.3.mlp.c_fc.bias")
    'pose_stream.blocks.3.expand.bias'
    """
    for pattern, ours in NAMES:
        if match := _expression(pattern).fullmatch(published):
            *numbers, below = match.groups(default="")
            return ours.replace("*", "{}").format(*numbers) + below
    return None


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    """Groups of the expression are the numbers of the pattern and what stands below it."""
    return re.compile(re.escape(pattern).replace(r"\*", r"(\d+)") + r"(\..+)?")


def is_unused(published: str) -> bool:
    """Whether a published tensor is known to have no part in any output."""
    return any(re.fullmatch(pattern, published) for pattern in UNUSED)


@dataclass(frozen=True)
class WeightLayout:
    """One kind of file."""

    title: str
    """What a report calls it."""
    our_names: Callable[[str], tuple[str, ...]]
    """Returns all tensors of our model that a tensor of the file is meant for."""
    is_unused: Callable[[str], bool]
    """Whether a tensor that is meant for none of ours is known to be of no use."""
    must_fit: bool
    """Whether another size is an error; otherwise that tensor is left out."""


def _of_published(name: str) -> tuple[str, ...]:
    ours = our_name(name)
    return () if ours is None else (ours,)


_POSE_ENCODER = re.compile(r"(?:^|\.)((?:st_gcn_(?:hand|body)|GCN_Conv)\..+)$")


def _of_signbert(name: str) -> tuple[str, ...]:
    """Drops whatever stands before the parts of the pose encoder."""
    match = _POSE_ENCODER.search(name)
    if match is None:
        return ()
    below = "" if match[1].startswith("GCN_Conv") else "embed."
    return _of_published(f"signbert.{below}{match[1]}")


_NOT_FROM_OPENAI_CLIP = re.compile(
    r"logit_scale|input_resolution|context_length|vocab_size|visual\.conv1\.weight"
)
"""CLIP's own scale and pixel input, and the sizes that its TorchScript files hold as tensors."""


def _of_openai_clip(name: str) -> tuple[str, ...]:
    """The image transformer is meant for both streams."""
    if _NOT_FROM_OPENAI_CLIP.fullmatch(name):
        return ()
    prefixes = ("clip", "clip_rgb") if name.startswith("visual.") else ("clip",)
    return tuple(ours for prefix in prefixes for ours in _of_published(f"{prefix}.{name}"))


LAYOUTS = (
    WeightLayout("checkpoint of a run", lambda name: (name,), lambda _: False, must_fit=True),
    WeightLayout("published SEDS checkpoint", _of_published, is_unused, must_fit=True),
    # Assumed of the pre-training file: the same names as below ``signbert.embed`` of a published
    # checkpoint, behind ``GCN_Transform`` or any other prefix. Its graphs are computed here.
    WeightLayout("SignBERT pre-training", _of_signbert, is_unused, must_fit=True),
    # Only tensors of the same size are taken: CLIP's 50 positions, for one, seldom fit.
    WeightLayout(
        "CLIP",
        _of_openai_clip,
        lambda name: bool(_NOT_FROM_OPENAI_CLIP.fullmatch(name)),
        must_fit=False,
    ),
)


def recognised(names: Collection[str], own_names: Collection[str]) -> WeightLayout | None:
    """Returns the layout that finds most tensors of the model in a file; ``None`` if none does."""

    def num_found(layout: WeightLayout) -> int:
        return sum(any(ours in own_names for ours in layout.our_names(name)) for name in names)

    best = max(LAYOUTS, key=num_found)
    return best if num_found(best) else None
