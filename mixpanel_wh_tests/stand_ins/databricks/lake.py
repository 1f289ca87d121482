"""Statements as they come in: faults that tests ordered, commands, and SQL."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from mixpanel_wh_tests.stand_ins.databricks.commands import COMMANDS, Statements
from mixpanel_wh_tests.stand_ins.databricks.holding import EMPTY, Session
from mixpanel_wh_tests.stand_ins.databricks.speech import Refused, filled, parsed, refusal, spoken


class Lake(Statements):
    """Everything, under one lock: statements run one after the other."""

    def run(self, sql: str, session: Session | None = None, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """Run a statement; its answer. Refused with Databricks' message where it is refused."""
        asked = session or Session()
        with self.lock:
            self.ran.append((asked, sql))
            for fault in self.faults:
                if fault[0] in sql:
                    self.faults.remove(fault)
                    raise Refused(fault[1])
            try:
                for pattern, act in COMMANDS:
                    match = re.fullmatch(pattern, sql.strip().rstrip(";"), re.IGNORECASE | re.DOTALL)
                    if match:
                        return act(self, asked, match)
                return self._statement(filled(parsed(sql), parameters or {}), asked)
            except duckdb.Error as error:
                raise refusal(error) from error

    def _statement(self, tree: exp.Expression, session: Session) -> pa.Table:
        if isinstance(tree, exp.Query):
            self._resolve(tree, session)
            return self._answer(spoken(tree))
        for kind, act in self._kinds().items():
            if isinstance(tree, kind):
                act(tree, session)
                return EMPTY
        raise Refused(f"[PARSE_SYNTAX_ERROR] Syntax error at or near {tree.key}. SQLSTATE: 42601")

    def _kinds(self) -> dict[type[exp.Expression], Callable[[Any, Session], None]]:
        return {exp.Create: self._create, exp.Drop: self._drop, exp.Insert: self._write, exp.Update: self._write,
                exp.Delete: self._write, exp.Merge: self._write, exp.Alter: self._alter}  # fmt: skip
