import numpy as np
import pytest

from seds_core.tables import TableError, WrongLine, open_table, read_text


def read(tmp_path, content, **options):
    path = tmp_path / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with open_table(path, **options) as table:
        rows = list(table.rows())
    wrong = {row.line: row.problem for row in rows if isinstance(row, WrongLine)}
    return table, [row for row in rows if not isinstance(row, WrongLine)], wrong


def fields(rows):
    return [(row.line, *row.fields.values()) for row in rows]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_header_tells_what_stands_between_fields_and_columns_have_no_case(tmp_path, delimiter):
    text = 'ID|Text |"a; b, c"\n1| hello|\n2|"say ""no"""|x\n'.replace("|", delimiter)
    table, rows, wrong = read(tmp_path, text.replace('"a; b, c"', "Rest"))
    assert table.columns == ("id", "text", "rest")
    assert fields(rows) == [(2, "1", "hello", ""), (3, "2", 'say "no"', "x")]
    assert not wrong


def test_delimiters_within_the_headers_quotations_do_not_count(tmp_path):
    table, rows, _ = read(tmp_path, 'id;"text, spoken, short"\n1;a,b\n')
    assert table.columns == ("id", "text, spoken, short")
    assert fields(rows) == [(2, "1", "a,b")]


@pytest.mark.parametrize(
    "content",
    [
        b"id,text\na,x\nb,y\n",
        b"id,text\r\na,x\r\n\r\nb,y",
        b"id,text\ra,x\rb,y\r",
        b"\xef\xbb\xbfid,text\na,x\n,\nb,y\n",
        "id\ttext\na\tx\nb\ty\n".encode("utf-16"),
        b"\xfe\xff" + "id,text\r\na,x\r\nb,y\r\n".encode("utf-16-be"),
    ],
)
def test_encodings_line_ends_and_empty_lines(tmp_path, content):
    _, rows, wrong = read(tmp_path, content)
    assert [tuple(row.fields.values()) for row in rows] == [("a", "x"), ("b", "y")]
    assert not wrong


@pytest.mark.parametrize(
    "stray",
    ['b,train,"open', 'b,"open,train', 'b,train,"open" more', '"b,train,text'],
)
def test_a_stray_quotation_mark_costs_its_own_line_only(tmp_path, stray):
    after = 'c,test,"see you"\nd,dev,so,far"\ne,dev,end"\n'
    _, rows, wrong = read(tmp_path, f"id,split,text\na,train,x\n{stray}\n{after}")
    assert fields(rows) == [
        (2, "a", "train", "x"), (4, "c", "test", "see you"), (6, "e", "dev", 'end"'),
    ]  # fmt: skip
    assert wrong.keys() == {3, 5}
    assert "quotation mark" in wrong[3]


def test_a_stray_quotation_mark_at_the_end_of_the_file(tmp_path):
    _, rows, wrong = read(tmp_path, 'id,split,text\na,train,x\nb,train,"open\n')
    assert [row.line for row in rows] == [2]
    assert wrong.keys() == {3}


@pytest.mark.parametrize("delimiter", ["\t", "|"])
def test_between_tabs_and_bars_an_unmatched_quotation_mark_is_text(tmp_path, delimiter):
    lines = ["id|split|text", 'a|train|"open', 'b|dev|"the ""end"""', 'c|test|"x" y']
    _, rows, wrong = read(tmp_path, "\n".join(lines).replace("|", delimiter))
    assert fields(rows) == [
        (2, "a", "train", '"open'), (3, "b", "dev", 'the "end"'), (4, "c", "test", '"x" y'),
    ]  # fmt: skip
    assert [row.has_odd_quotes for row in rows] == [True, False, True]
    assert not wrong


def test_a_release_may_say_that_quotation_marks_are_always_text(tmp_path):
    text = 'id|split|text\na|train|"x"\n'
    assert fields(read(tmp_path, text, unquoted="|")[1]) == [(2, "a", "train", '"x"')]
    assert fields(read(tmp_path, text)[1]) == [(2, "a", "train", "x")]


def test_a_quotation_reaches_over_lines_where_there_is_no_doubt(tmp_path):
    text = 'id,split,text\na,train,"Hello,\n\nyou"\nb,dev,x\n"c\n\nd","dev\n",y\n'
    _, rows, wrong = read(tmp_path, text)
    assert fields(rows) == [
        (2, "a", "train", "Hello,\n\nyou"), (5, "b", "dev", "x"), (6, "c\n\nd", "dev", "y"),
    ]  # fmt: skip
    assert not wrong


def test_no_quotation_swallows_what_may_be_a_record(tmp_path):
    text = 'id,split,text\na,train,"open\nb,test,x\nc,dev,closed"\nd,dev,y\n'
    _, rows, wrong = read(tmp_path, text)
    assert [row.fields["id"] for row in rows] == ["b", "d"]
    assert wrong.keys() == {2, 4}


def test_the_end_of_a_quotation_in_doubt_is_no_record_of_its_own(tmp_path):
    _, rows, wrong = read(tmp_path, 'text,split,id\n"Hello,\nyou",dev,a\n5" wide,dev,b\n')
    assert [row.fields["id"] for row in rows] == ["b"]
    assert wrong.keys() == {2, 3}
    assert "line 2" in wrong[3]


def test_a_quotation_is_not_followed_for_ever(tmp_path):
    filler = "x\n" * 120
    _, rows, wrong = read(tmp_path, f'id,text\na,"open\n{filler}end"\nb,y\n')
    assert [row.fields["id"] for row in rows] == ["b"]
    assert wrong.keys() == set(range(2, 124))


def test_too_many_and_too_few_fields_are_counted(tmp_path):
    _, rows, wrong = read(tmp_path, "id,split,text\na,train,Hello, you\nb,dev\nc,dev,x\n")
    assert [row.line for row in rows] == [4]
    assert "4 fields, expected 3" in wrong[2]
    assert "in quotation marks" in wrong[2]
    assert wrong[3] == "2 fields, expected 3"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("id,text\na,ä\n".encode("latin-1"), "not UTF-8"),
        ("id,text\na,x\n".encode("utf-16-le"), "NUL"),
        (b"id,text\na,\0\n", "NUL"),
        (b"\xff\xfei", "not UTF-8"),
        (b"id,Text,text \na,x,y\n", "column text twice"),
    ],
)
def test_what_is_no_table_of_text_is_refused(tmp_path, content, reason):
    with pytest.raises(TableError, match=rf"table\.csv .*{reason}"):
        read(tmp_path, content)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(TableError, match=r"gone\.csv cannot be read"):
        read_text(tmp_path / "gone.csv")


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_wherever_two_stray_quotation_marks_stand_all_other_lines_are_read_as_they_are(
    tmp_path, delimiter
):
    random = np.random.default_rng(0)
    lines = [f"v{n},train,I like {n} teas" for n in range(8)]
    for _ in range(150):
        damaged = list(lines)
        places = sorted(random.choice(8, 2, replace=False))
        for place in places:
            column = random.integers(len(lines[place]) + 1)
            damaged[place] = f'{lines[place][:column]}"{lines[place][column:]}'
        text = "\n".join(["id,split,text", *damaged]).replace(",", delimiter)
        rows = {row.line - 2: tuple(row.fields.values()) for row in read(tmp_path, text)[1]}
        for place in set(range(8)) - set(places):
            assert rows[place] == tuple(lines[place].split(","))
        for place in set(places) & rows.keys():
            assert {v.replace('"', "") for v in rows[place]} == set(lines[place].split(","))
