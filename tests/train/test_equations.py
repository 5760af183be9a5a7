"""Every formula of the table in DESIGN.md is cited by the function that computes it, and by no
other."""

import ast
import re

from shared_data import REPOSITORY

ROW = re.compile(r"^\| (\d+) \| .* \| `([\w.]+)` \|$", re.MULTILINE)
CITATION = re.compile(r"Equation (\d+)")


def cited():
    """Equation -> the functions and classes whose docstrings name it."""
    found = {}
    for path in (REPOSITORY / "train").rglob("*.py"):
        for name, node in named(ast.parse(path.read_text()), path.stem):
            for number in CITATION.findall(ast.get_docstring(node) or ""):
                found.setdefault(int(number), []).append(name)
    return found


def named(node, prefix):
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            name = f"{prefix}.{child.name}"
            yield name, child
            yield from named(child, name)


def test_the_table_and_the_docstrings_agree():
    table = ROW.findall((REPOSITORY / "DESIGN.md").read_text())
    assert [int(number) for number, _ in table] == list(range(1, len(table) + 1))
    assert cited() == {int(number): [name] for number, name in table}
    assert len(table) > 20
