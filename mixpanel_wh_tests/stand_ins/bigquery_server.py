"""The server of the BigQuery stand-in: `local-bigquery`, run by a Python of its own, with what it lacks added.

It runs in another environment than the tests: what it imports is not installed beside them. Added are the time zone of
`TIMESTAMP(value, zone)` where that is a parameter, JSON that an UPDATE assigns, the text of a float whose type only the
value tells, and the columns `last_modified_time` and `total_logical_bytes` of INFORMATION_SCHEMA.PARTITIONS. The time of a table or a partition moves on when what it holds has changed since it was
last asked for. The times are of 2024, so that none of them is too fresh to be trusted.
"""

import datetime as dt
import itertools
from typing import Any

import duckdb
from duckdb_extensions import import_extension

EXTENSIONS = ("ducklake", "spatial", "avro")
BEGINNING = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
connect = duckdb.connect


def connected(database: str = ":memory:", config: Any = None, **more: Any) -> Any:
    """A connection with the extensions loaded before a time zone is set, which needs them."""
    chosen = dict(config or {})
    zone = chosen.pop("TimeZone", None)
    connection = connect(database, config=chosen, **more)
    for extension in EXTENSIONS:
        connection.execute(f"LOAD {extension}")
    if zone:
        connection.execute(f"SET GLOBAL TimeZone = '{zone}'")
    return connection


for _extension in EXTENSIONS:
    import_extension(_extension)
duckdb.connect = connected  # type: ignore[assignment]

from local_bigquery.catalog import tables  # noqa: E402
from local_bigquery.cli import main  # noqa: E402
from local_bigquery.engine import database  # noqa: E402
from local_bigquery.engine.database import quote  # noqa: E402
from local_bigquery.sql import translate  # noqa: E402
from local_bigquery.sql.rules import information_schema, json, strings, typing  # noqa: E402
from sqlglot import exp  # noqa: E402

moves = itertools.count(1)
seen: dict[tuple[str, ...], tuple[Any, int]] = {}


def zoned(tree: exp.Expression, context: Any) -> exp.Expression:
    """`TIMESTAMP(value, zone)` with a zone that is no literal."""
    for node in list(tree.find_all(exp.Timestamp)):
        zone = node.args.get("zone")
        if zone is not None and not isinstance(zone, exp.Literal):
            local = exp.cast(node.this.copy(), exp.DataType.build("TIMESTAMP", dialect="duckdb"))
            node.replace(exp.func("timezone", zone.copy(), local))
    return tree


def compared(node: exp.Expression, context: Any) -> exp.Expression:
    """Refuses comparisons of JSON, as BigQuery does, but not what an UPDATE assigns."""
    return node if isinstance(node.parent, exp.Update) else json.equality(node, context)


def as_text(node: exp.Expression, context: Any) -> exp.Expression:
    """A whole FLOAT64 as text has no ".0". Where nobody knows the type, as of columns that a star stands for, the value
    decides."""
    unknown = (None, exp.DataType.Type.UNKNOWN)
    if not (isinstance(node, exp.Cast) and node.to.this in typing.TEXT and typing.kind(node.this) in unknown):
        plain: exp.Expression = strings.float_to_string(node, context)
        return plain
    whole = exp.Anonymous(this="regexp_replace", expressions=[node, exp.Literal.string(r"\.0$"), exp.Literal.string("")])
    is_float = exp.func("typeof", node.this.copy()).isin("DOUBLE", "FLOAT")
    return exp.Case(ifs=[exp.If(this=is_float, true=whole)], default=node.copy())


def partition_of(table: Any) -> str:
    """The id of a row's partition, as DuckDB's SQL."""
    if table.rangePartitioning:
        field, span = quote(table.rangePartitioning.field), table.rangePartitioning.range
        start, end, step = int(span.start), int(span.end), int(span.interval)
        inside = f"CAST({start} + ({field} - {start}) // {step} * {step} AS VARCHAR)"
        return (
            f"CASE WHEN {field} IS NULL THEN '__NULL__' WHEN {field} >= {start} AND {field} < {end} THEN {inside} "
            "ELSE '__UNPARTITIONED__' END"
        )
    if table.timePartitioning:
        field = quote(table.timePartitioning.field or tables.INGESTION_TIME)
        form = information_schema.PARTITION_FORMATS.get(table.timePartitioning.type or "DAY", "%Y%m%d")
        return f"coalesce(strftime({field}, '{form}'), '__NULL__')"
    return "CAST(NULL AS VARCHAR)"


def partitions(project: str, dataset: str | None) -> tuple[list[str], list[list[Any]]]:
    """INFORMATION_SCHEMA.PARTITIONS with the columns of BigQuery's own that the code reads."""
    columns = [*information_schema.IDENTITY, "partition_id", "total_rows INT64", "total_logical_bytes INT64",
               "last_modified_time TIMESTAMP", "storage_tier STRING"]  # fmt: skip
    rows = []
    for table in information_schema._tables(project, dataset):
        if table.type != "TABLE":
            continue
        identity = information_schema._identity(table)
        partition, name = partition_of(table), tables.name(*identity)
        held = database.fetch(f"SELECT {partition}, count(*), sum(hash(t)) FROM {name} AS t GROUP BY 1 ORDER BY 1")
        if not held and not (table.timePartitioning or table.rangePartitioning):
            held = [(None, 0, 0)]
        for id, count, content in held:
            moved = last_modified((*identity, str(id)), (table.creationTime, count, content))
            rows.append([*identity, id, count, 100 * count, moved, "ACTIVE"])
    return columns, rows


def moved(place: tuple[str, ...], state: object) -> int:
    """How many changes had been seen when a table or partition got into its state."""
    if place not in seen or seen[place][0] != state:
        seen[place] = (state, next(moves))
    return seen[place][1]


def last_modified(place: tuple[str, ...], state: object) -> exp.Expression:
    """When a partition got the content that it has."""
    moment = BEGINNING + dt.timedelta(seconds=moved(place, state))
    return exp.cast(exp.Literal.string(moment.isoformat()), exp.DataType.build("TIMESTAMPTZ"))


def described(project: str, dataset: str, table: str, *given: Any, **more: Any) -> Any:
    """A table's metadata, whose time of last change moves on with every change of what it holds, UPDATEs too."""
    found = get(project, dataset, table, *given, **more)
    if found.type != "TABLE" or not tables.fields(found):
        return found
    held = database.fetch(f"SELECT count(*), sum(hash(t)) FROM {tables.name(project, dataset, table)} AS t")
    version = moved((project, dataset, table), (found.creationTime, *held[0]))
    return found.replace(lastModifiedTime=str(int((BEGINNING + dt.timedelta(seconds=version)).timestamp() * 1000)))


def held_in(project: str, dataset: str, table: str | None = None) -> Any:
    """The tables and views of a dataset (name, kind, rows), straight from where DuckLake writes them down. The server
    asks for them several times a statement, and DuckDB's own list names everything that there is."""
    if project not in database._attached:
        return listed(project, dataset, table)
    at = quote(f"__ducklake_metadata_{project}")
    there = "o.end_snapshot IS NULL AND s.end_snapshot IS NULL AND s.schema_name = $1"
    return database.fetch(
        f"SELECT o.table_name, 'TABLE', coalesce(n.record_count, 0) FROM {at}.ducklake_table AS o "
        f"JOIN {at}.ducklake_schema AS s USING (schema_id) LEFT JOIN {at}.ducklake_table_stats AS n USING (table_id) "
        f"WHERE {there} AND o.table_name = coalesce($2, o.table_name) UNION ALL "
        f"SELECT o.view_name, 'VIEW', 0 FROM {at}.ducklake_view AS o JOIN {at}.ducklake_schema AS s USING (schema_id) "
        f"WHERE {there} AND o.view_name = coalesce($2, o.view_name) ORDER BY 1",
        [dataset, table],
    )


def answers(project: str, dataset: str, table: str | None = None) -> Any:
    """The same, and for the table of an answer a look at it alone."""
    if project != "emulator" or table is None:
        return held_in(project, dataset, table)
    try:
        return [(table, "TABLE", database.fetch(f"SELECT count(*) FROM {quote(project, dataset, table)}")[0][0])]
    except duckdb.CatalogException:
        return []


listed, database.objects = database.objects, answers
get, tables.get = tables.get, described
information_schema.VIEWS["PARTITIONS"] = partitions
translate.STATEMENT_RULES.insert(0, zoned)
translate.NODE_RULES[translate.NODE_RULES.index(json.equality)] = compared
translate.NODE_RULES[translate.NODE_RULES.index(strings.float_to_string)] = as_text

if __name__ == "__main__":
    main()
