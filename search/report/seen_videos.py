"""What a model makes of some videos and sentences: alignments, attention, and stills."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int32
from torch import Tensor, nn

from extract.inspection.pictures import Annotation, read_annotation
from search.engine.alignment import align
from search.engine.ragged_tokens import QueryTokens
from search.index.entries import clip_spans
from search.index.reading import WholeVideos
from search.report.stills import STILL_WIDTH, Still, evenly, jpeg_uri
from search.results import Alignment, Span
from seds_core.store.reader import StoreReader
from train.batches import on_device
from train.data.collation import collate_signs
from train.data.retrieval_data import RetrievalData
from train.evaluation.load_model import LoadedModel
from train.evaluation.scoring import encode_text, evaluating
from train.model.cross_gloss_fusion import CrossGlossAttention, CrossGlossFusion
from train.model.fine_grained_similarity import unit_length
from train.text.text_encoder import build_tokenizer


@dataclass(frozen=True)
class Attention:
    """How much a branch's tokens of one layer take from the other stream's; a mean of the heads."""

    layer: int
    """From 1."""
    branch: str
    """``pose`` takes from rgb, ``rgb`` from pose."""
    weights: Float32[np.ndarray, "token token"]
    """Rows are the branch's own real tokens, columns the other stream's; the class token first."""


@dataclass(frozen=True)
class SeenVideo:
    """A video as the model sees it."""

    video_id: str
    text: str
    clips: tuple[Span, ...]
    """NaN where the stores do not tell the clips' frames."""
    tokens: dict[str, QueryTokens]
    """Stream -> tokens of unit length."""
    attention: tuple[Attention, ...]
    """Only of stage ``fusion``."""
    annotation: Annotation = field(repr=False)

    def stills(self, count: int) -> list[Still]:
        """Returns evenly spaced frames with the skeleton, where keypoints are stored.

        Raises ``VideoError`` where the video cannot be read any more.
        """
        known = self.annotation
        times = evenly(float(known.num_frames), min(count, known.num_frames))
        wanted = {int(time) for time in times}
        return [
            Still(index / known.fps, jpeg_uri(known.draw_skeleton(frame, index, STILL_WIDTH)))
            for index, frame in _up_to(max(wanted), known)
            if index in wanted
        ]


def _up_to(last: int, annotation: Annotation) -> Iterator[tuple[int, Any]]:
    for index, frame in annotation.frames():
        yield index, frame
        if index >= last:
            return


@dataclass(frozen=True)
class Sentence:
    """A sentence as the model sees it."""

    text: str
    positions: tuple[str, ...]
    tokens: QueryTokens


def see_videos(
    loaded: LoadedModel, video_ids: Sequence[str], device: torch.device
) -> dict[str, SeenVideo]:
    """Encodes some videos, each once, as an evaluation does; also records CGAF's attention."""
    stores = [StoreReader(path) for path in store_paths(loaded.data)]
    texts = {video.video_id: video.text for video in loaded.data.videos}
    settings = loaded.settings.evaluation
    found: dict[str, SeenVideo] = {}
    names = list(dict.fromkeys(video_ids))
    for start in range(0, len(names), settings.batch_size):
        some = names[start : start + settings.batch_size]
        reader = WholeVideos(loaded.data.reader)
        read = [reader.read(loaded.data.reader.locate(name)) for name in some]
        signs = on_device(collate_signs([video.example for video in read], reader.layout), device)
        with evaluating(loaded.model, device, settings.precision):
            with recorded_attention(loaded.model.fusion) as recorded:
                tokens = loaded.model.encode_signs(signs)
            units = {n: unit_length(v.float()).cpu() for n, v in tokens.streams.items()}
            weights = {key: value.float().mean(dim=2).cpu() for key, value in recorded.items()}
        is_real = tokens.token_is_real.cpu()
        for row, name in enumerate(some):
            num_real = int(is_real[row].sum())
            annotation = read_annotation(stores, name)
            found[name] = SeenVideo(
                name,
                texts[name],
                spans_of(read[row].clip_bounds, annotation, num_real - 1),
                {
                    stream: QueryTokens(values[row], is_real[row])
                    for stream, values in units.items()
                },
                tuple(
                    Attention(*key, values[row, :num_real, :num_real].numpy())
                    for key, values in weights.items()
                ),
                annotation,
            )
    return found


def see_sentence(loaded: LoadedModel, text: str, device: torch.device) -> Sentence:
    """Encodes a sentence as an evaluation does."""
    tokenizer = build_tokenizer(loaded.text)
    tokens = encode_text(
        loaded.model,
        tokenizer([text]),
        device=device,
        precision=loaded.settings.evaluation.precision,
    )
    words = QueryTokens(tokens.words[0].cpu(), tokens.word_is_real[0].cpu())
    return Sentence(text, tokenizer.pieces(text).pieces, words)


def alignments(
    loaded: LoadedModel, video: SeenVideo, sentence: Sentence, streams: Sequence[str]
) -> tuple[Alignment, ...]:
    """Takes the score of a video and a sentence apart, stream by stream."""
    return tuple(
        align(
            video.tokens[stream],
            sentence.tokens,
            loaded.settings.similarity,
            stream=stream,
            words=sentence.positions,
            clips=video.clips,
        )
        for stream in streams
    )


def store_paths(data: RetrievalData) -> list[Any]:
    """Paths of the stores that the model reads, the one that decides the clips first."""
    reader = data.reader
    return [store.url for store in (*reader.rgb, reader.pose) if store is not None]


def spans_of(
    bounds: Int32[np.ndarray, "clip 2"], annotation: Annotation, num_clips: int
) -> tuple[Span, ...]:
    """Returns when each clip begins and ends, in seconds of the video; NaN where not known."""
    spans = clip_spans(bounds, annotation.fps or None)
    if len(spans) != num_clips:
        return (Span(float("nan"), float("nan")),) * num_clips
    return tuple(Span(*times) for times in spans.astype(float).tolist())


@contextmanager
def recorded_attention(
    fusion: CrossGlossFusion | None,
) -> Iterator[dict[tuple[int, str], Tensor]]:
    """Inside, each pass of the model leaves (layer, branch) -> video, token, head, other token."""
    recorded: dict[tuple[int, str], Tensor] = {}
    if fusion is None:
        yield recorded
        return

    def record(key: tuple[int, str]) -> Any:  # noqa: ANN401 - a hook of torch
        def hook(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            # Computed beside the pass, which goes on as if nobody were looking.
            assert isinstance(module, CrossGlossAttention)
            recorded[key] = module.weights(*arguments)

        return hook

    branches = ("pose", fusion.pose_layers), ("rgb", fusion.rgb_layers)
    handles = [
        part.register_forward_pre_hook(record((number, branch)))
        for branch, layers in branches
        for number, layer in enumerate(layers, start=1)
        for part in layer.modules()
        if isinstance(part, CrossGlossAttention)
    ]
    try:
        yield recorded
    finally:
        for handle in handles:
            handle.remove()
