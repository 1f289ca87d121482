"""Statements laid out for people."""

from mixpanel_wh.warehouses.printing import as_comments, laid_out

STATEMENT = """SELECT a, f(b, 'x, FROM (y') AS "c, d WHERE", `e, f` FROM (SELECT g, h FROM i WHERE j) AS k WHERE l IN (1, 2) LIMIT 5"""


def test_clauses_and_columns_have_lines_of_their_own() -> None:
    assert laid_out(STATEMENT).splitlines() == [
        "SELECT a,",
        "    f(b, 'x, FROM (y') AS \"c, d WHERE\",",
        "    `e, f`",
        "FROM (SELECT g, h FROM i WHERE j) AS k",
        "WHERE l IN (1, 2)",
        "LIMIT 5",
    ]


def test_nothing_but_white_space_is_changed() -> None:
    assert laid_out(STATEMENT).split() == STATEMENT.split()


def test_a_value_with_a_line_end_stays_inside_its_comment() -> None:
    assert as_comments({"event": "a\nDROP TABLE b"}) == "-- event = a DROP TABLE b\n"
