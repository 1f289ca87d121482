"""The names that Databricks gives its types, from Arrow's, and how a column is told to the connector."""

import pyarrow as pa
from databricks.sql.thrift_api.TCLIService import ttypes as thrift

from mixpanel_wh_tests.stand_ins.databricks.shelf import plain_type

Id = thrift.TTypeId
PLAIN: tuple[tuple[object, str, int], ...] = (
    (pa.types.is_boolean, "boolean", Id.BOOLEAN_TYPE), (pa.types.is_int8, "tinyint", Id.TINYINT_TYPE),
    (pa.types.is_int16, "smallint", Id.SMALLINT_TYPE), (pa.types.is_int32, "int", Id.INT_TYPE),
    (pa.types.is_integer, "bigint", Id.BIGINT_TYPE), (pa.types.is_float32, "float", Id.FLOAT_TYPE),
    (pa.types.is_floating, "double", Id.DOUBLE_TYPE), (pa.types.is_date, "date", Id.DATE_TYPE),
    (pa.types.is_binary, "binary", Id.BINARY_TYPE), (pa.types.is_string, "string", Id.STRING_TYPE),
    (pa.types.is_null, "void", Id.NULL_TYPE), (pa.types.is_timestamp, "timestamp", Id.TIMESTAMP_TYPE),
    (pa.types.is_map, "map", Id.MAP_TYPE), (pa.types.is_list, "array", Id.ARRAY_TYPE),
    (pa.types.is_struct, "struct", Id.STRUCT_TYPE), (pa.types.is_decimal, "decimal", Id.DECIMAL_TYPE),
)  # fmt: skip
VARIANT = {b"Spark:DataType:SqlName": b"VARIANT", b"Spark:DataType:JsonType": b'"variant"'}


def is_variant(field: pa.Field) -> bool:
    """Whether the column holds JSON, for which DuckDB has a type and Databricks has VARIANT."""
    return isinstance(field.type, pa.BaseExtensionType) and field.type.extension_name == "arrow.json"


def named(field: pa.Field) -> str:
    """A column's type in Databricks' words."""
    if is_variant(field):
        return "variant"
    return type_of(plain_type(field.type))


def type_of(kind: pa.DataType) -> str:
    """A type in Databricks' words."""
    if pa.types.is_timestamp(kind) and kind.tz is None:
        return "timestamp_ntz"
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_map(kind):
        return f"map<{type_of(kind.key_type)},{type_of(kind.item_type)}>"
    if pa.types.is_list(kind):
        return f"array<{type_of(kind.value_type)}>"
    if pa.types.is_struct(kind):
        return f"struct<{','.join(f'{one.name}:{type_of(one.type)}' for one in kind)}>"
    return next((name for holds, name, _ in PLAIN if holds(kind)), "interval")  # type: ignore[operator]


def answered(rows: pa.Table) -> pa.Table:
    """An answer in the types that Databricks sends: intervals as text, VARIANT as text that is marked."""
    columns, fields = [], []
    for field, column in zip(rows.schema, rows.columns, strict=True):
        kind = plain_type(field.type)
        if type_of(kind) == "interval":
            column, kind = pa.chunked_array([pa.array([_shown(one) for one in column.to_pylist()], pa.string())]), pa.string()
        columns.append(column.cast(kind))
        fields.append(pa.field(field.name, kind, metadata=VARIANT if is_variant(field) else None))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _shown(value: object) -> str | None:
    return None if value is None else str(value)


def entry(kind: pa.DataType) -> thrift.TPrimitiveTypeEntry:
    """A type as the protocol tells it."""
    number = next(number for holds, _, number in PLAIN if holds(kind))  # type: ignore[operator]
    if not pa.types.is_decimal(kind):
        return thrift.TPrimitiveTypeEntry(type=number)
    numbers = {"precision": kind.precision, "scale": kind.scale}
    qualifiers = {name: thrift.TTypeQualifierValue(i32Value=value) for name, value in numbers.items()}
    return thrift.TPrimitiveTypeEntry(type=number, typeQualifiers=thrift.TTypeQualifiers(qualifiers=qualifiers))
