"""Each mutation of the list stands once in the source, and parses when it is made."""

import ast

import pytest
from mutations import Mutation, read_mutations
from shared_data import REPOSITORY

MUTATIONS = read_mutations()


def test_there_are_enough_of_them():
    assert len(MUTATIONS) >= 60


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.title)
def test_a_mutation_changes_one_place_and_names_tests(mutation):
    source = (REPOSITORY / mutation.file).read_text(encoding="utf-8")
    changed = mutation.applied(source)
    assert changed != source
    ast.parse(changed)
    assert mutation.tests
    for test in mutation.tests:
        assert (REPOSITORY / test.split("::")[0]).exists()


def test_a_line_that_is_gone_is_named():
    with pytest.raises(ValueError, match=r"a\.py.*occurs 0 times"):
        Mutation("a.py", "x = 1", "x = 2", ("t.py",)).applied("x = 3")
