"""The encoders of a stage put together: videos and sentences in, tokens out."""

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from train.batches import ClipLayout, SignBatch, SignTokens, TextBatch, TextTokens, concatenated
from train.model.cross_gloss_fusion import CrossGlossFusion
from train.model.pose_encoder import PoseEncoder
from train.model.stream_transformer import StreamTransformer
from train.settings import Stage, TrainSettings
from train.text.text_encoder import TextEncoder

# Both as in CLIP (arXiv 2103.00020), which begins at a temperature of 0.07.
FIRST_SCALE = 1 / 0.07
LARGEST_SCALE = 100.0


class RetrievalModel(nn.Module):
    """SEDS (arXiv 2407.16394); for the stages ``pose`` and ``rgb`` one stream of it.

    The tokens of a video do not depend on what else is in its batch.
    """

    def __init__(
        self, settings: TrainSettings, stage: Stage, layout: ClipLayout, text: TextEncoder
    ) -> None:
        """Starts with random weights, except for ``text``."""
        super().__init__()
        dim, streams = settings.embedding_dim, settings.streams
        self.text = text
        self.pose_encoder: PoseEncoder | None = None
        self.pose_stream: StreamTransformer | None = None
        self.rgb_stream: StreamTransformer | None = None
        self.fusion: CrossGlossFusion | None = None
        # A stage has the parts of its streams; names of parameters are the same in all stages.
        if stage in ("pose", "fusion"):
            self.pose_encoder = PoseEncoder(settings.pose_encoder, layout.clip_length)
            self.pose_stream = StreamTransformer(
                self.pose_encoder.dim, dim, layout.num_slots, streams
            )
        if stage in ("rgb", "fusion"):
            if layout.rgb_dim is None:
                raise ValueError(f"stage {stage} needs the size of RGB features, found none")
            self.rgb_stream = StreamTransformer(layout.rgb_dim, dim, layout.num_slots, streams)
        if stage == "fusion":
            self.fusion = CrossGlossFusion(dim, settings.cgaf)
        # Its logarithm is learnt, so that the scale stays positive.
        self.logit_scale = nn.Parameter(torch.tensor(math.log(FIRST_SCALE)))

    @property
    def scale(self) -> Float[Tensor, ""]:
        """Factor of the cosines in the losses; at most 100."""
        return self.logit_scale.exp().clamp(max=LARGEST_SCALE)

    def encode_signs(self, signs: SignBatch) -> SignTokens:
        """Returns tokens of the stage's streams, not yet of unit length."""
        # The class token comes before the clips, and is always real.
        token_is_real = nn.functional.pad(signs.clip_is_real, (1, 0), value=True)
        pose = rgb = fusion = None
        if self.pose_encoder is not None and self.pose_stream is not None:
            if signs.pose is None:
                raise ValueError("the batch has no keypoints, which this stage needs")
            pose = self.pose_stream(self.pose_encoder(signs.pose), token_is_real)
        if self.rgb_stream is not None:
            if signs.rgb is None:
                raise ValueError("the batch has no RGB features, which this stage needs")
            rgb = self.rgb_stream(signs.rgb, token_is_real)
        if self.fusion is not None:
            fusion = self.fusion(pose, rgb, token_is_real)
        return SignTokens(token_is_real, pose, rgb, fusion)

    def encode_text(self, text: TextBatch) -> TextTokens:
        """Returns one vector for each position of each sentence, not yet of unit length."""
        return TextTokens(self.text(text), text.word_is_real)

    def encode_texts(self, text: TextBatch, augmented: TextBatch) -> tuple[TextTokens, TextTokens]:
        """Encodes sentences and augmented sentences, equal ones once unless there is dropout."""
        if self.text.is_random:
            return self.encode_text(text), self.encode_text(augmented)
        # Half of the published augmented sentences are unchanged, and data sets repeat sentences.
        both = concatenated([text, augmented])
        sentences, sentence_of_row = distinct_sentences(both)
        words = self.encode_text(sentences).words.index_select(0, sentence_of_row)
        first, second = words.chunk(2)
        return TextTokens(first, text.word_is_real), TextTokens(second, augmented.word_is_real)

    def use_gradient_checkpointing(self) -> None:
        """Recomputes the encoders' inner values in the backward pass."""
        for part in (self.pose_encoder, self.pose_stream, self.rgb_stream):
            if part is not None:
                part.gradient_checkpointing = True
        self.text.use_gradient_checkpointing()


def distinct_sentences(text: TextBatch) -> tuple[TextBatch, Int64[Tensor, " row"]]:
    """Returns every sentence once, and the index of each row's sentence among them."""
    num_words = text.input_ids.shape[1]
    # A sentence is its tokens and its mask together: padding may have the number of a word.
    rows = torch.cat([text.input_ids, text.word_is_real], dim=1)
    distinct, sentence_of_row = torch.unique(rows, dim=0, return_inverse=True)
    sentences = TextBatch(distinct[:, :num_words], distinct[:, num_words:].bool())
    return sentences, sentence_of_row
