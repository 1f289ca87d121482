"""What the metadata of a run looks like to a person."""

import pytest

from mixpanel_wh.defs.metadata import laid_out, sql_block


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("SELECT 1", "SELECT 1"),
        ("SELECT a, b FROM t WHERE c", "SELECT a,\n       b\nFROM t\nWHERE c"),
        ("SELECT f(a, b) FROM (SELECT c, d FROM t) AS x", "SELECT f(a, b)\nFROM (SELECT c, d FROM t) AS x"),
        ("""SELECT 'a, b', "c, ""d"" FROM e" FROM t""", """SELECT 'a, b',\n       "c, ""d"" FROM e"\nFROM t"""),
        ("SELECT a FROM t LEFT JOIN u ON b = c", "SELECT a\nFROM t\nLEFT JOIN u ON b = c"),
    ],
)
def test_a_statement_has_line_breaks_outside_of_brackets_and_quotes(sql: str, shown: str) -> None:
    assert laid_out(sql) == shown
    assert shown in str(sql_block(sql).md_str)
