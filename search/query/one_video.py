"""The tokens of one video, from stores: of a query, or of the run that an index was built by."""

from collections.abc import Mapping
from typing import Any

from search.engine.ragged_tokens import QueryTokens
from seds_core.store.place import StoreLocation
from train.batches import SignTokens, on_device
from train.data.collation import read_signs, refuse_unusable
from train.data.rgb_stores import RgbChoice
from train.data.sign_reader import SignReader
from train.evaluation.load_model import RunModel
from train.evaluation.scoring import evaluating
from train.model.fine_grained_similarity import unit_length
from train.settings import MixedStore


def stores_of(provenance: Mapping[str, Any]) -> tuple[RgbChoice | None, StoreLocation | None]:
    """Returns the RGB and the pose store of a training run, by the provenance that it keeps."""
    rgb = tuple(
        MixedStore(store=of_store["path"], mix=of_store.get("mix", 1.0))
        for name, of_store in sorted(provenance.items())
        if name.startswith("rgb")
    )
    pose = provenance.get("pose")
    choice = rgb[0].store if len(rgb) == 1 else rgb or None
    return choice, None if pose is None else pose["path"]


def encode_video(run: RunModel, reader: SignReader, video_id: str) -> SignTokens:
    """Encodes a video that stores hold into tokens of unit length, on the CPU, in all streams.

    Raises ``UnusableVideosError`` where its numbers are not finite.
    """
    batch = read_signs(reader, [reader.locate(video_id)])
    refuse_unusable(batch, [video_id])
    device = next(run.model.parameters()).device
    with evaluating(run.model, device, run.settings.evaluation.precision):
        signs = run.model.encode_signs(on_device(batch, device))
        units = {name: unit_length(tokens.float()).cpu() for name, tokens in signs.streams.items()}
    return SignTokens(signs.token_is_real.cpu(), **units)


def query_tokens(signs: SignTokens, stream: str, run: RunModel) -> QueryTokens:
    """Returns a stream of the only video as an index keeps it: in half precision.

    Padding stays where it takes part in the softmax.
    """
    tokens, is_real = signs.streams[stream][0].half().float(), signs.token_is_real[0]
    if run.settings.similarity.padding == "published":
        return QueryTokens(tokens, is_real)
    return QueryTokens(tokens[is_real], is_real[is_real])
