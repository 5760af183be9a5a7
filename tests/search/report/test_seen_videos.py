"""What the report shows of a model is what the evaluation computed."""

import numpy as np
import pytest
import torch

from train.model.cross_gloss_fusion import CrossGlossAttention, CrossGlossFusion
from train.settings import CgafSettings


def test_the_shown_scores_are_those_of_the_evaluation(evaluated):
    from search.report.seen_videos import alignments, see_sentence, see_videos

    model, loaded, device = evaluated
    gallery = model.scores.gallery
    seen = see_videos(loaded, gallery.video_ids, device)
    for column, text in enumerate(gallery.sentences):
        sentence = see_sentence(loaded, text, device)
        for row, video_id in enumerate(gallery.video_ids):
            for found in alignments(loaded, seen[video_id], sentence, model.scores.streams):
                expected = model.scores.scores[found.stream][row, column]
                assert found.score == pytest.approx(float(expected), abs=2e-6)
    assert sentence.positions[0] == "[start]"
    assert sentence.positions[-1] == "[end]"


def test_clips_have_their_seconds(evaluated):
    from search.report.seen_videos import see_videos

    _, loaded, device = evaluated
    seen = see_videos(loaded, ["f", "b", "f"], device)
    assert list(seen) == ["f", "b"]
    first, *_, last = seen["f"].clips
    # Forty frames at 25 a second; clips are 16 frames long.
    assert first == pytest.approx((0, 16 / 25))
    assert last.end == pytest.approx(40 / 25)
    # Nine frames are repeated to make a clip: it ends with the video.
    assert seen["b"].clips == (pytest.approx((0, 9 / 25)),)


def test_looking_changes_nothing_and_leaves_no_hook(evaluated):
    from search.report.seen_videos import recorded_attention

    _, loaded, _ = evaluated
    fusion = loaded.model.fusion.eval()
    dim = loaded.settings.embedding_dim
    pose, rgb = torch.randn(2, 2, 6, dim).unbind()
    real = torch.arange(6) < torch.tensor([[6], [3]])
    with torch.inference_mode():
        before = fusion(pose, rgb, real)
        with recorded_attention(fusion) as recorded:
            during = fusion(pose, rgb, real)
        after = fusion(pose, rgb, real)
    assert torch.equal(before, during)
    assert torch.equal(before, after)
    assert list(recorded) == [(1, "pose"), (1, "rgb")]
    assert not any(part._forward_pre_hooks for part in fusion.modules())
    # Twice the weights: nobody adds to a record after the block.
    assert recorded[1, "pose"].shape == (2, 6, 2, 6)


@pytest.mark.parametrize(("sampling", "most"), [("exact", 1.0), ("published", 0.5)])
def test_weights_say_what_is_taken(sampling, most):
    torch.manual_seed(0)
    layer = CrossGlossAttention(8, 3, CgafSettings(heads=2, sampling=sampling))
    own, other, num_real = torch.randn(2, 5, 8), torch.randn(2, 5, 8), torch.tensor([5, 3])
    with torch.inference_mode():
        weights = layer.weights(own, other, num_real)
        values = layer.value(other).unflatten(-1, (2, 4))
        found = torch.einsum("bthu,buhc->bthc", weights, values).flatten(2)
        torch.testing.assert_close(layer.output(found), layer(own, other, num_real))
    assert weights.sum(dim=-1).max() <= most + 1e-6
    if sampling == "exact":
        # Real tokens look at real ones alone.
        torch.testing.assert_close(weights[1, :3, :, :3].sum(dim=-1), torch.ones(3, 2))


def test_a_model_without_fusion_has_no_attention():
    from search.report.seen_videos import recorded_attention

    with recorded_attention(None) as recorded:
        assert recorded == {}


def test_hooks_go_when_the_pass_fails():
    from search.report.seen_videos import recorded_attention

    fusion = CrossGlossFusion(8, CgafSettings(heads=2, hidden=16))
    with pytest.raises(RuntimeError), recorded_attention(fusion):
        raise RuntimeError
    assert not any(part._forward_pre_hooks for part in fusion.modules())


def test_the_reach_of_attention_by_hand():
    from search.report.example_sections import reach_of
    from search.report.seen_videos import Attention

    weights = np.array([[9, 9, 9], [0.2, 0.8, 0], [0, 0.5, 0.5]], np.float32)
    same, distance, on_class = reach_of(Attention(1, "pose", weights))
    assert same == pytest.approx((0.8 + 0.5) / 2)
    assert distance == pytest.approx(0.5 / 1.8)
    assert on_class == pytest.approx(0.1)
    only_class = np.array([[1, 0], [1, 0]], np.float32)
    assert np.isnan(reach_of(Attention(1, "pose", only_class))[1])
