"""Probabilities of hits, what is said where nothing fits, and ranking without hubs."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from reference.small_indexes import (
    DIM,
    SENTENCES,
    made_up_index,
    unit_tokens,
)
from search.engine.ragged_tokens import QueryTokens
from search.index.bank import Bank
from search.index.fitting import (
    CALIBRATIONS,
    calibrations_from_json,
    calibrations_json,
)
from search.index.part import Part
from search.index.token_files import ragged
from search.index.writer import open_writer
from search.query.certainty import denial, with_probabilities
from search.query.command import ask
from search.query.part_search import PartQuery, PartSearch
from search.query.printing import print_answer
from search.results import SentenceHit, likelihood_of
from seds_core.errors import UsageError
from train.evaluation.calibration import MatchCalibration
from train.evaluation.hubness import NORMALISATIONS

CALIBRATION = MatchCalibration(20.0, 2.0)


def hits(*scores, text=None):
    return [
        SentenceHit(rank, text or f"sentence {rank}", score, ())
        for rank, score in enumerate(scores, 1)
    ]


def with_bank(path, calibrations=None):
    """Gives a made-up index a bank of made-up tokens; returns the path."""
    generator = np.random.default_rng(5)
    tokens = [unit_tokens(4, generator) for _ in range(12)]
    with open_writer(path) as writer:
        similarity = writer.identity.settings.similarity
        bank = Bank(*[ragged(tokens, [4] * 12, DIM)] * 2, similarity)
        facts = {CALIBRATIONS: calibrations_json(calibrations)} if calibrations else {}
        part = Part.open(path)
        snapshot = part.snapshot()
        writer.keep_bank(bank, snapshot.signs, snapshot.sentences, facts)
        part.close()
    return path


def test_with_none_the_probabilities_are_one():
    told, none = with_probabilities(hits(0.5, 0.4, 0.1), CALIBRATION, 40)
    assert sum(hit.probability for hit in told) + none == pytest.approx(1)
    assert [hit.probability for hit in told] == sorted(
        (hit.probability for hit in told), reverse=True
    )


def test_videos_of_one_sentence_are_one_answer():
    alone, none = with_probabilities(hits(0.5, 0.2), CALIBRATION, 40)
    several = [*hits(0.5, 0.5, 0.45, text="sentence 1"), replace(hits(0.2)[0], text="sentence 2")]
    told, same = with_probabilities(several, CALIBRATION, 40)
    assert [hit.probability for hit in told[:3]] == [pytest.approx(alone[0].probability)] * 3
    assert told[3].probability == pytest.approx(alone[1].probability)
    assert same == pytest.approx(none)


def test_hits_behind_the_best_have_probabilities_too():
    scores = np.linspace(0.5, 0.3, 15)
    told, none = with_probabilities(hits(*scores), CALIBRATION, 40)
    ten, same = with_probabilities(hits(*scores[:10]), CALIBRATION, 40)
    assert [h.probability for h in told[:10]] == pytest.approx([h.probability for h in ten])
    assert none == same
    ratio = told[14].probability / told[13].probability
    assert ratio == pytest.approx(np.exp(20 * (scores[14] - scores[13])))


def test_words_and_the_sentence_where_nothing_fits():
    assert [likelihood_of(p) for p in (None, 0.9, 0.5, 0.2, 0.05)] == [
        None, "likely", "likely", "possible", "unlikely",
    ]  # fmt: skip
    assert denial(None) == denial(0.89) == []
    (told,) = denial(0.93)
    assert "perhaps nothing like it is here" in told


def test_calibrations_are_read_as_they_were_written():
    calibrations = {"text_to_video": {None: CALIBRATION, "spread": MatchCalibration(3.0, 1.0)}}
    assert calibrations_from_json(calibrations_json(calibrations)) == calibrations


def test_a_query_for_nothing_is_told_so_and_hits_have_words(load, tmp_path, capsys):
    sure = {"text_to_video": {None: MatchCalibration(20.0, -20.0)}}
    never = {"text_to_video": {None: MatchCalibration(20.0, 90.0)}}
    found = load(with_bank(made_up_index(tmp_path / "sure"), sure)).search("rain", 3)
    assert len(found) == 3
    assert found.none_probability < 0.01
    assert not any("nothing like it" in warning for warning in found.warnings)
    answer = load(with_bank(made_up_index(tmp_path / "never"), never)).search("rain", 3)
    assert answer.none_probability > 0.99
    assert "perhaps nothing like it is here" in answer.warnings[-1]
    print_answer(answer, "rain", as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert shown["none_probability"] == answer.none_probability
    assert shown["hits"][0]["probability"] == answer[0].probability
    print_answer(answer, "rain", as_json=False)
    assert "unlikely" in capsys.readouterr().out


def test_answers_are_counted_by_their_sentences(tmp_path):
    """Of 20 videos, 4 have no sentence and the others share 4; a filter leaves fewer."""
    part = PartSearch.open(made_up_index(tmp_path / "index"))
    tokens = unit_tokens(3, np.random.default_rng(1)).astype(np.float32)
    asked = PartQuery(QueryTokens(torch.from_numpy(tokens), torch.ones(3, dtype=torch.bool)), 5)
    assert part.search(asked).num_answers == 4 + 4
    assert part.search(replace(asked, filters={"signer": ["anna"]})).num_answers == 1 + 4


@pytest.mark.parametrize("how", NORMALISATIONS)
def test_ranking_without_hubs_is_an_affine_map_of_the_score(load, tmp_path, how):
    path = with_bank(made_up_index(tmp_path / "index"))
    retriever = load(path)
    snapshot = Part.open(path).snapshot()
    slope, offset = snapshot.bank_statistics("signs").map_of(how)
    plain = {hit.video_id: hit.score for hit in retriever.search("rain sun", 20)}
    found = retriever.search("rain sun", 20, normalise=how, exact=True)
    expected = {
        record.video_id: slope[entry] * plain[record.video_id] + offset[entry]
        for entry, record in enumerate(snapshot.records(range(20)))
    }
    assert [h.video_id for h in found] == sorted(expected, key=expected.get, reverse=True)
    assert [h.video_id for h in found] != list(plain)
    for hit in found:
        assert hit.score == plain[hit.video_id]
        assert hit.normalised == pytest.approx(expected[hit.video_id])


def test_sentences_rank_without_hubs(load, tmp_path):
    path = with_bank(made_up_index(tmp_path / "index"))
    snapshot = Part.open(path).snapshot()
    slope, offset = snapshot.bank_statistics("words").map_of("spread")
    plain = {hit.text: hit.score for hit in load(path).sentences("v1", 5)}
    found = load(path).sentences("v1", 5, normalise="spread")
    rows = {text: SENTENCES.index(text) for text in plain}
    expected = {text: slope[n] * plain[text] + offset[n] for text, n in rows.items()}
    in_order = sorted(plain, key=lambda text: -expected[text])
    assert [hit.text for hit in found] == in_order
    assert [hit.rank for hit in found] == [*range(1, len(plain) + 1)]


def test_what_cannot_be_normalised_is_told(load, tmp_path):
    path = made_up_index(tmp_path / "index")
    with pytest.raises(UsageError, match="run seds-search build again"):
        load(path).search("rain", normalise="mean")
    with pytest.raises(UsageError, match="--normalise is for a sentence that asks"):
        ask([str(path)], like="v1", normalise="mean")
    assert load(path).search("rain")[0].probability is None
