"""A split is encoded, and every text is scored against every video.

Scoring needs no gradients, so it does without a softmax. Symbols as in
:mod:`train.model.fine_grained_similarity`: s_ij the cosine of token i and word j, tau the
temperature. Both directions weigh the same s_ij by the same e_ij = exp(s_ij / tau) and differ in
what they sum over. So e is computed once, and the softmax-weighted sums are quotients:
sum_j s_ij e_ij / sum_j e_ij for every token, sum_i s_ij e_ij / sum_i e_ij for every word.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from seds_core.console import progress_bar, track
from train.batches import SignBatch, SignTokens, TextBatch, TextTokens, on_device
from train.data.collation import usable_batches
from train.data.loading import sign_batches
from train.data.retrieval_data import RetrievalData, SplitVideos
from train.evaluation.metrics import BankScores, Gallery, SplitScores, build_gallery
from train.model.fine_grained_similarity import retrieval_score, unit_length
from train.model.retrieval_model import RetrievalModel
from train.precision import autocast
from train.settings import Precision, SimilaritySettings, TrainSettings
from train.text.text_encoder import Tokenizer

ENTRY_COLUMN = "sentence_id"
"""Column of an index that tells which videos a published caption file puts together."""

SMALLEST_TEMPERATURE = 1 / 64
"""Below, float32 might not hold the sums: e_ij is at most exp(1 / tau)."""

CPU_BLOCK = 2**20
"""Token similarities of a block: few enough that the cache holds what is made of them."""

GPU_BLOCK = 2**24
"""The same on a GPU, where many have to be computed at once."""


def evaluate_split(
    model: RetrievalModel,
    data: RetrievalData,
    split: str,
    tokenizer: Tokenizer,
    *,
    settings: TrainSettings,
    device: torch.device,
    workers: int = 0,
    bank_split: str | None = None,
) -> SplitScores:
    """Scores all pairs of a split; the model, already on the device, trains on as before.

    ``bank_split`` is one that the split's videos and sentences are scored with as well, so that
    scores can be normalised. Raises ``SplitError`` for a split without usable videos, and
    ``UnusableVideosError`` for videos whose stored numbers are not finite.
    """
    videos = data.split(split)
    gallery = gallery_of(split, videos)
    score = partial(
        score_videos, model, data, tokenizer, settings=settings, device=device, workers=workers
    )
    if bank_split is None:
        return SplitScores(gallery, score(videos, gallery.sentences))
    of_bank = data.split(bank_split)
    # Sentences of both are encoded once, and the split's videos are.
    bank_texts = list(dict.fromkeys(video.text for video in of_bank))
    texts = list(dict.fromkeys([*gallery.sentences, *bank_texts]))
    columns = {text: column for column, text in enumerate(texts)}
    of_videos, of_sentences = score(videos, texts), score(of_bank, gallery.sentences)
    num_own, asked = len(gallery.sentences), [columns[text] for text in bank_texts]
    return SplitScores(
        gallery,
        {stream: found[:, :num_own] for stream, found in of_videos.items()},
        {
            stream: BankScores(found[:, asked], of_sentences[stream])
            for stream, found in of_videos.items()
        },
    )


def score_videos(
    model: RetrievalModel,
    data: RetrievalData,
    tokenizer: Tokenizer,
    videos: SplitVideos,
    sentences: Sequence[str],
    *,
    settings: TrainSettings,
    device: torch.device,
    workers: int = 0,
) -> dict[str, Float[np.ndarray, "video text"]]:
    """Returns stream -> scores of all of some videos with all of some sentences."""
    batch_size, precision = settings.evaluation.batch_size, settings.evaluation.precision
    # Sentences are encoded first: videos are read, encoded and scored batch by batch only when
    # ``score_streams`` asks for them.
    with closing(
        sign_batches(data, videos, batch_size, workers, pin_memory=device.type == "cuda")
    ) as batches:
        usable = usable_batches(batches, [video.video_id for video in videos])
        signs = encode_videos(model, usable, len(videos), device=device, precision=precision)
        text = encode_sentences(
            model, tokenizer, sentences, batch_size, device=device, precision=precision
        )
        return score_streams(signs, len(videos), text, settings.similarity, device=device)


def gallery_of(split: str, videos: SplitVideos) -> Gallery:
    """Returns the videos of a split with their sentences."""
    entries = [video.other.get(ENTRY_COLUMN) or video.text for video in videos]
    return build_gallery(
        split, [video.video_id for video in videos], [video.text for video in videos], entries
    )


def encode_videos(
    model: RetrievalModel,
    batches: Iterable[SignBatch],
    num_videos: int,
    *,
    device: torch.device,
    precision: Precision = "float32",
) -> Iterator[SignTokens]:
    """Yields tokens of unit length on the device, batch by batch as they are asked for.

    Between two batches the model is as it was before, so that the caller works on the tokens in
    full precision.
    """
    done = 0
    with progress_bar() as progress:
        task = progress.add_task("videos", total=num_videos, rates="")
        for batch in batches:
            with evaluating(model, device, precision):
                tokens = model.encode_signs(on_device(batch, device))
                units = {n: unit_length(v.float()) for n, v in tokens.streams.items()}
            yield SignTokens(tokens.token_is_real, **units)
            done += batch.num_videos
            progress.update(task, completed=done)
    assert done == num_videos, f"{done} of {num_videos} videos were encoded"


def encode_sentences(
    model: RetrievalModel,
    tokenizer: Tokenizer,
    sentences: Sequence[str],
    batch_size: int,
    *,
    device: torch.device,
    precision: Precision = "float32",
) -> TextTokens:
    """Encodes all sentences, in their order, into words of unit length on the CPU."""
    kept: dict[str, Tensor] = {}
    for first in track(range(0, len(sentences), batch_size), "sentences"):
        text = tokenizer(sentences[first : first + batch_size])
        tokens = encode_text(model, text, device=device, precision=precision)
        for name, values in (("words", tokens.words), ("word_is_real", tokens.word_is_real)):
            if name not in kept:  # Made once: lists of batches would need the memory twice.
                kept[name] = torch.empty((len(sentences), *values.shape[1:]), dtype=values.dtype)
            kept[name][first : first + len(values)] = values.cpu()
    return TextTokens(**kept)


def encode_text(
    model: RetrievalModel, text: TextBatch, *, device: torch.device, precision: Precision
) -> TextTokens:
    """Encodes tokenised sentences into words of unit length, in float32, on the device."""
    with evaluating(model, device, precision):
        tokens = model.encode_text(on_device(text, device))
        return TextTokens(unit_length(tokens.words.float()), tokens.word_is_real)


@contextmanager
def evaluating(model: nn.Module, device: torch.device, precision: Precision) -> Iterator[None]:
    """Inside, no dropout, no gradients, ``precision``; afterwards every part trains as before."""
    # Part by part: a frozen text encoder stays in evaluation mode while the others train.
    was_training = {part: part.training for part in model.modules()}
    model.eval()
    try:
        with torch.inference_mode(), autocast(device, precision):
            yield
    finally:
        for part, training in was_training.items():
            part.training = training


def score_streams(
    batches: Iterable[SignTokens],
    num_videos: int,
    text: TextTokens,
    settings: SimilaritySettings,
    *,
    device: torch.device,
) -> dict[str, Float[np.ndarray, "video text"]]:
    """Returns stream -> scores of all its videos (rows) with all sentences (columns), float32.

    A batch's tokens are let go when it is scored, so that those of all videos are never in memory
    together. The sentences lie on the device. All tokens are of unit length.
    """
    text = on_device(text, device)
    shape = num_videos, len(text.words)
    scores: dict[str, Float[np.ndarray, "video text"]] = {}
    first = 0
    for batch in batches:
        rows = slice(first, first + len(batch.token_is_real))
        for stream, tokens in batch.streams.items():
            if stream not in scores:  # Made once: a list of rows would need twice the memory.
                scores[stream] = np.empty(shape, np.float32)
            scores[stream][rows] = score_all_pairs(
                tokens, text.words, batch.token_is_real, text.word_is_real, settings, device=device
            )
        first = rows.stop
    return scores


@torch.inference_mode()
def score_all_pairs(
    signs: Float[Tensor, "video token dim"],
    words: Float[Tensor, "text word dim"],
    token_is_real: Bool[Tensor, "video token"],
    word_is_real: Bool[Tensor, "text word"],
    settings: SimilaritySettings,
    *,
    device: torch.device,
) -> Float[np.ndarray, "video text"]:
    """Scores every video with every sentence, each pair as if it were computed alone.

    Tokens are of unit length and any precision; they are compared in float32, on the device. All
    of the videos are copied there, the sentences a block at a time. With padding ``masked``, most
    of it is left out.
    """
    score = retrieval_score if settings.temperature < SMALLEST_TEMPERATURE else block_scores
    num_videos, num_texts = block_size(signs.shape[1] * words.shape[1], device)
    scores = torch.empty(len(signs), len(words), device=device)
    # The videos stay on the device, the sentences pass by block after block.
    videos = [
        (rows, *_block(signs, token_is_real, rows, settings, device))
        for rows in torch.split(order_by_length(token_is_real, settings), num_videos)
    ]
    for columns in torch.split(order_by_length(word_is_real, settings), num_texts):
        of_texts, words_real = _block(words, word_is_real, columns, settings, device)
        for rows, of_videos, tokens_real in videos:
            block = score(of_videos, of_texts, tokens_real, words_real, settings)
            # Rows and columns may be in order of length: here the scores find their places.
            scores[rows[:, None], columns] = block
    return scores.cpu().numpy()


def order_by_length(
    is_real: Bool[Tensor, "row _"], settings: SimilaritySettings
) -> Int64[Tensor, " row"]:
    """Orders the rows so that blocks hold little padding, where padding is masked."""
    if settings.padding == "published":
        return torch.arange(len(is_real))
    return reach_of(is_real).cpu().argsort(stable=True)


def reach_of(is_real: Bool[Tensor, "row _"]) -> Int64[Tensor, " row"]:
    """Returns the number of positions up to each row's last real one."""
    numbers = torch.arange(1, is_real.shape[1] + 1, device=is_real.device)
    return (is_real * numbers).amax(dim=1)


def block_size(values_per_pair: int, device: torch.device) -> tuple[int, int]:
    """Returns how many videos and sentences make a block within the device's bound.

    Near a square; sentences are a power of two, which vectorises. At least one pair.
    """
    bound = CPU_BLOCK if device.type == "cpu" else GPU_BLOCK
    pairs = max(1, bound // values_per_pair)
    num_texts = 2 ** math.ceil(math.log2(pairs) / 2)
    return max(1, pairs // num_texts), num_texts


def _block(
    tokens: Float[Tensor, "row token dim"],
    is_real: Bool[Tensor, "row token"],
    rows: Int64[Tensor, " _row"],
    settings: SimilaritySettings,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Tokens and mask of ``rows``, without the positions that are padding in all of them."""
    if settings.padding == "published":
        # Rows are in order here, and a slice copies nothing.
        run = slice(int(rows[0]), int(rows[-1]) + 1)
        return tokens[run].to(device).float(), is_real[run].to(device)
    rows = rows.to(is_real.device)
    end = int(reach_of(is_real[rows]).max())
    return tokens[rows, :end].to(device).float(), is_real[rows, :end].to(device)


def block_scores(
    signs: Float[Tensor, "video token dim"],
    words: Float[Tensor, "text word dim"],
    token_is_real: Bool[Tensor, "video token"],
    word_is_real: Bool[Tensor, "text word"],
    settings: SimilaritySettings,
) -> Float[Tensor, "video text"]:
    """Returns the values of :func:`~train.model.fine_grained_similarity.retrieval_score`.

    Tokens are of unit length, the temperature is at least :data:`SMALLEST_TEMPERATURE`.
    """
    is_masked = settings.padding == "masked"

    # ``both`` holds s e / tau and e. Sentences stand last, so that every sum over tokens or words
    # adds contiguous runs of numbers to each other.
    rows, columns = rearrange(signs, "v i d -> (v i) d"), rearrange(words, "t j d -> (j t) d")
    both = signs.new_empty(2, len(rows), len(columns))
    weighted, weights = both
    torch.addmm(weighted, rows, columns.T, beta=0, alpha=1 / settings.temperature, out=weighted)
    torch.exp(weighted, out=weights)
    weighted *= weights
    values = rearrange(both, "n (v i) (j t) -> n v i j t", v=len(signs), t=len(words))

    counted = token_is_real if is_masked else torch.ones_like(token_is_real)
    of_words = rearrange(counted.to(signs), "v i -> v 1 i") @ rearrange(
        values, "n v i j t -> n v i (j t)"
    )
    of_words = rearrange(of_words, "n v 1 (j t) -> n v j t", j=words.shape[1])
    if is_masked:  # In place, and so after the sums over tokens.
        values *= rearrange(word_is_real.to(signs), "t j -> j t").contiguous()
    of_tokens = values.sum(dim=3)
    to_text = _mean_of_real(of_tokens, rearrange(token_is_real, "v i -> v i 1"))
    to_video = _mean_of_real(of_words, rearrange(word_is_real, "t j -> 1 j t"))
    return 0.5 * settings.temperature * (to_text + to_video)


def _mean_of_real(
    sums: Float[Tensor, "2 video row text"], is_real: Bool[Tensor, "_ row _"]
) -> Float[Tensor, "video text"]:
    """Mean of the quotients over real rows; padding may hold 0 / 0, and is left out."""
    quotients = (sums[0] / sums[1]).masked_fill_(~is_real, 0)
    return quotients.sum(dim=1) / is_real.sum(dim=1)
