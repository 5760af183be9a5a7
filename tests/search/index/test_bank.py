"""How an index's entries and sentences score with the training split of its run."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest

from reference.small_indexes import small_run
from search.index.bank import pair_scores, read_bank
from search.index.build import add_to_index, build_index
from search.index.compaction import compact
from search.index.deletion import delete_videos
from search.index.layout import STATE
from search.index.part import Part
from search.index.verify import verify
from search.settings import SearchSettings
from train.evaluation.hubness import bank_statistics


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run over the small stores: six videos of five sentences train, two validate."""
    return small_run(tmp_path_factory.mktemp("bank"))


@pytest.fixture
def build(run, tmp_path):
    def build(**options):
        build_index(tmp_path / "index", run=run, devices="cpu", **options)
        return tmp_path / "index"

    return build


def known(path):
    """Bank, snapshot and statistics of an index."""
    with closing(Part.open(path)) as part:
        snapshot = part.snapshot()
        settings = part.identity.settings
        connection = snapshot.reader.connection
        bank = read_bank(path, connection, settings.embedding_dim, settings.similarity)
        kinds = ("signs", "words")
        return bank, snapshot, {kind: snapshot.bank_statistics(kind) for kind in kinds}


def check(path):
    """The numbers are those of every entry and sentence, as its tokens are now."""
    bank, snapshot, found = known(path)
    of_signs = pair_scores(snapshot.signs, bank.words, bank.similarity)
    of_words = pair_scores(bank.signs, snapshot.sentences, bank.similarity)
    for kind, scores in (("signs", of_signs.T), ("words", of_words)):
        expected = bank_statistics(scores)
        assert len(found[kind].mean) == scores.shape[1] > 0
        for name in ("mean", "deviation", "soft_mean"):
            values, right = getattr(found[kind], name), getattr(expected, name)
            np.testing.assert_allclose(values, right, atol=1e-5)


def test_the_bank_is_the_training_split_and_nothing_else(build):
    path = build()
    bank, snapshot, _ = known(path)
    assert (len(bank.signs), len(bank.words)) == (6, 5)
    assert snapshot.num_live == 8
    entries = np.flatnonzero(snapshot.allowed({"split": ["train"]}))
    for number, entry in enumerate(entries.tolist()):
        np.testing.assert_allclose(
            bank.signs.of(number).astype(float), snapshot.signs.of(entry).astype(float), atol=2e-3
        )
    check(path)


def test_what_is_added_and_what_is_kept_has_its_own_numbers(build, run):
    path = build()
    delete_videos(path, ["b", "g"])
    compact(path)
    check(path)
    assert len(known(path)[2]["signs"].mean) == 6
    assert add_to_index(path, run=run, devices="cpu").num_new == 2
    check(path)
    assert len(known(path)[2]["signs"].mean) == 8
    assert verify(path).is_whole


def test_an_index_without_them_works_and_gets_them_from_the_next_build(build):
    path = build(search=SearchSettings(query_bank=0))
    bank, snapshot, found = known(path)
    assert bank is None
    assert found == {"signs": None, "words": None}
    assert snapshot.num_live == 8
    build_of_before(path)
    path = build()
    check(path)


def build_of_before(path):
    """As a program without banks would have left it: with no word of them in its settings."""
    from search.index.database import open_state, read_fact, write_fact

    with closing(open_state(path)) as connection:
        text = read_fact(path, connection, "identity")
        assert '"query_bank": 0, ' in text
        write_fact(connection, "identity", text.replace('"query_bank": 0, ', ""))


def test_rows_of_an_earlier_program_are_filled_in(build):
    path = build()
    with closing(sqlite3.connect(path / STATE)) as connection, connection:
        connection.execute("DELETE FROM bank_statistics WHERE kind = 'signs'")
    assert known(path)[2]["signs"] is None
    build()
    check(path)


def test_where_the_training_data_is_gone_an_index_goes_without(run, tmp_path, capsys):
    from reference.small_stores import LENGTHS, write_index

    data = run.parent
    (data / "index.csv").rename(tmp_path / "index.csv")
    try:
        table = write_index(tmp_path / "other.csv", [(v, "test", "sun") for v in LENGTHS])
        build_index(tmp_path / "index", run=run, devices="cpu", index=table)
    finally:
        (tmp_path / "index.csv").rename(data / "index.csv")
    assert "without scores free of hubs" in " ".join(capsys.readouterr().err.split())
    assert known(tmp_path / "index")[2] == {"signs": None, "words": None}


@pytest.mark.parametrize("table", ["bank", "bank_statistics"])
def test_damage_is_found(build, table):
    path = build()
    assert verify(path).is_whole
    column = "tokens" if table == "bank" else "numbers"
    with closing(sqlite3.connect(path / STATE)) as connection, connection:
        connection.execute(f"UPDATE {table} SET {column} = zeroblob(length({column}))")
    (problem,) = verify(path).problems
    assert "training split" in problem
