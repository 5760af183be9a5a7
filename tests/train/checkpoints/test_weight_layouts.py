"""Kinds of weights files are told by names."""

import pytest

from train.checkpoints.published_names import LAYOUTS, recognised

OWN = {
    "logit_scale",
    "text.network.ln_final.weight",
    "pose_stream.norm_after.weight",
    "rgb_stream.norm_after.weight",
    "pose_encoder.hand.head.weight",
    "pose_encoder.clip_block.norm.weight",
}


@pytest.mark.parametrize(
    ("names", "title"),
    [
        (["pose_stream.norm_after.weight", "logit_scale"], "checkpoint of a run"),
        (["clip.ln_final.weight", "unheard.of"], "published SEDS checkpoint"),
        (["signbert.embed.st_gcn_hand.conv4.0.weight"], "published SEDS checkpoint"),
        (["GCN_Transform.st_gcn_hand.conv4.0.weight"], "SignBERT pre-training"),
        (["st_gcn_hand.conv4.0.weight"], "SignBERT pre-training"),
        (["ln_final.weight", "visual.ln_post.weight", "logit_scale"], "CLIP"),
    ],
)
def test_a_file_is_what_most_of_its_names_say(names, title):
    assert recognised(names, OWN).title == title


def test_foreign_names_are_not_recognised():
    assert recognised(["encoder.layer.0.weight", "my_st_gcn_hand.conv4.0.weight"], OWN) is None


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("module.GCN_Transform.embed.st_gcn_hand.conv4.0.weight", "pose_encoder.hand.head.weight"),
        ("GCN_Transform.GCN_Conv.bn.weight", "pose_encoder.clip_block.norm.weight"),
    ],
)
def test_signberts_prefixes_do_not_matter(name, ours):
    assert LAYOUTS[2].our_names(name) == (ours,)


def test_clips_image_transformer_is_for_both_streams_and_its_pixels_for_none():
    clip = LAYOUTS[3].our_names
    assert clip("visual.ln_post.weight") == (
        "pose_stream.norm_after.weight",
        "rgb_stream.norm_after.weight",
    )
    assert clip("visual.conv1.weight") == clip("logit_scale") == ()
