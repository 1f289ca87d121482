"""Redshift as ground for tests: every column type that can be sent, and answers through a cursor or through S3."""

from dataclasses import dataclass
from typing import Any

from mixpanel_wh_tests.stand_ins.redshift import RunningRedshift
from mixpanel_wh_tests.warehouses.ground import Kinds, Typed
from mixpanel_wh_tests.warehouses.wire_ground import WireGround

BUCKET = "unloads"
EVERY_TYPE = (
    Typed("boolean", "true", "false"),
    Typed("smallint", "-32768", "32767"),
    Typed("integer", "1", "2"),
    Typed("bigint", "9223372036854775807", "9223372036854775806"),
    Typed("real", "1.5", "1.25"),
    Typed("double precision", "0.1", "0.30000000000000004"),
    Typed("numeric(18,3)", "1.500", "1.501"),
    Typed("numeric(38,10)", "1234567890123456789012345678.0000000001", "1234567890123456789012345678.0000000002"),
    Typed("numeric", "100", "200"),
    Typed("varchar(65535)", "'a'", "'b'"),
    Typed("varchar(max)", r"'tab\t, line\n, \\N and \\\\'", r"'tab\t, line\n, \\N and \\'"),
    Typed("character varying(10)", "'a'", "'a '"),
    Typed("character(3)", "'a'", "'b'"),
    Typed("text", "'a'", "'b'"),
    Typed("date", "'2024-03-01'", "'0001-01-01'"),
    Typed("time", "'12:00:00'", "'23:59:59.999999'"),
    Typed("timetz", "'12:00:00+00'", "'13:00:00+01'"),
    Typed("timestamp", "'2024-03-01 12:00:00.000001'", "'9999-12-31 23:59:59.999999'"),
    Typed("timestamptz", "'2024-03-01 12:00:00+00'", "'2024-03-01 12:00:00+01'"),
    Typed("super", r"""JSON_PARSE('{"a": 1}')""", r"""JSON_PARSE('{"a": [1, null]}')"""),
    Typed("super", r"""JSON_PARSE('{"a": "\\"x\\\\\\n"}')""", r"""JSON_PARSE('{"a": "\\"x\\\\\\\\n"}')"""),
)
KINDS = Kinds(text="varchar(65535)", integer="bigint", double="double precision", boolean="boolean", date="date",
              timestamp="timestamp", timestamp_tz="timestamptz")  # fmt: skip


@dataclass
class RedshiftGround(WireGround[RunningRedshift]):
    """A schema of the stand-in. With `unload`, every answer goes through S3."""

    kind = "redshift"
    kinds: Kinds = KINDS
    every_type: tuple[Typed, ...] = EVERY_TYPE
    parts: tuple[str, ...] = ()
    unload: bool = False

    @property
    def place(self) -> str:
        """Where this ground's answers go in S3."""
        return f"s3://{BUCKET}/{self.schema}"

    def chosen(self) -> dict[str, Any]:
        """The settings of the warehouse beside the server's address."""
        unloading = {"unload_to": self.place, "s3_endpoint": self.server.s3, "unload_rows": 0}
        return (unloading if self.unload else {}) | super().chosen()

    def literal(self, value: object) -> str:
        """A value as SQL text; a backslash is an escape."""
        return super().literal(str(value).replace("\\", "\\\\"))

    def value(self, value: object, type: str) -> str:
        """A value as a SQL expression of that type; SUPER is made of JSON."""
        if type == "super" and value is not None:
            return f"JSON_PARSE({self.literal(value)})"
        return super().value(value, type)
