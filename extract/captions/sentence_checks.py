"""What a person should know of the sentences: too long for the model, or in two splits."""

from collections.abc import Iterator, Sequence

from open_clip.tokenizer import SimpleTokenizer

from extract.captions.caption import Finding
from extract.captions.validation_split import normalised
from seds_core.dataset_index import IndexedVideo

_SPLITS_APART = (("train", "test"), ("train", "dev"))


def long_captions(videos: Sequence[IndexedVideo], max_tokens: int) -> Iterator[Finding]:
    """Sentences with more than ``max_tokens`` of CLIP's tokens, start and end included."""
    byte_pairs = SimpleTokenizer()
    lengths = {text: len(byte_pairs.encode(text)) + 2 for text in {v.text for v in videos}}
    names = tuple(
        f"{v.video_id} ({lengths[v.text]} tokens)" for v in videos if lengths[v.text] > max_tokens
    )
    if names:
        text = (
            f"captions of more than {max_tokens} tokens of CLIP (up to {max(lengths.values())}); "
            f"a model reads {max_tokens} of them, evenly chosen"
        )
        yield Finding("long_caption", text, names)


def shared_sentences(videos: Sequence[IndexedVideo]) -> Iterator[Finding]:
    """Sentences that stand in ``train`` and again where a model is chosen or evaluated."""
    for train, other in _SPLITS_APART:
        known = {normalised(video.text) for video in videos if video.split == train}
        texts = dict.fromkeys(video.text for video in videos if video.split == other)
        sentences = tuple(text for text in texts if normalised(text) in known)
        if sentences:
            text = f"sentences of {other} that stand in {train} as well, left as they are"
            yield Finding("shared_sentence", text, sentences)
