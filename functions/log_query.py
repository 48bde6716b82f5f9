"""Run queries of the event log: by Athena, or by the local stack's stand-in for it."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from domain.log_line import LogLine, UnreadableLine, line_of
from functions.log_views import Engine

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ANSWERS = "queries/"
"""The prefix of Athena's answers. They name learners, so they are deleted once they are read."""
FIRST_PAUSE, MAX_PAUSE = 0.05, 2.0
"""Seconds between two looks at a query that runs: at first, and at most."""

type Value = str | int | float | bool | None


class QueryFailed(Exception):
    """A query did not succeed. The message is the engine's."""


@dataclass(frozen=True, slots=True)
class LogQueries:
    """Queries of one stack's event log."""

    athena: Any
    """The client of Athena."""
    s3: "S3Client"
    database: str
    workgroup: str
    bucket: str
    engine: Engine
    pause: Callable[[float], None] = time.sleep

    def run(self, sql: str) -> Iterator[dict[str, Value]]:
        """Run a query, and yield its rows by the columns' names. Raise QueryFailed if it fails."""
        query_id = self.athena.start_query_execution(
            QueryString=sql, QueryExecutionContext={"Database": self.database}, WorkGroup=self.workgroup
        )["QueryExecutionId"]
        try:
            self._wait(query_id)
            yield from self._rows(query_id)
        finally:
            self._delete(query_id)

    def _wait(self, query_id: str) -> None:
        pause = FIRST_PAUSE
        try:
            while True:
                status = self.athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"][
                    "Status"
                ]
                match status["State"]:
                    case "SUCCEEDED":
                        return
                    case "FAILED" | "CANCELLED":
                        raise QueryFailed(
                            status.get("StateChangeReason") or f"it was {status['State'].lower()}"
                        )
                self.pause(pause)
                pause = min(2 * pause, MAX_PAUSE)
        except KeyboardInterrupt:
            # It would run on, and cost.
            self.athena.stop_query_execution(QueryExecutionId=query_id)
            raise

    def _rows(self, query_id: str) -> Iterator[dict[str, Value]]:
        is_first = True
        for page in self.athena.get_paginator("get_query_results").paginate(QueryExecutionId=query_id):
            columns = page["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
            rows = page["ResultSet"]["Rows"]
            if self.engine == "duckdb" and _is_made_up(columns, rows):
                raise QueryFailed(
                    "the local stack's Athena makes up its answers, because DuckDB is not installed beside "
                    "it. `make setup` installs it; then start the local stack again"
                )
            for row in rows[1:] if is_first else rows:  # The first row has the columns' names.
                yield {
                    column["Name"]: _value(cell.get("VarCharValue"), column["Type"])
                    for column, cell in zip(columns, row["Data"], strict=True)
                }
            is_first = False

    def _delete(self, query_id: str) -> None:
        found = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=f"{ANSWERS}{query_id}")
        for answer in found.get("Contents", []):
            self.s3.delete_object(Bucket=self.bucket, Key=answer["Key"])


def lines_in(rows: Iterable[dict[str, Value]]) -> Iterator[LogLine]:
    """Yield the log's lines in the rows of a query for lines, each with a time of arrival.

    The query also finds the lines of foreign objects, because no learner can be read in them. They are left
    out.
    """
    for row in rows:
        try:
            line = line_of(str(row["line"]).encode())
        except UnreadableLine:
            continue
        # An early release's line has no time. It arrived long ago, so no event in it was too early.
        yield line._replace(arrived_at=line.arrived_at or datetime.now(UTC))


def _is_made_up(columns: list[Any], rows: list[Any]) -> bool:
    """Return whether an answer is one that MiniStack gives to every query if it has no engine."""
    return not columns or ([column["Name"] for column in columns] == ["result"] and "mock_value" in str(rows))


def _value(text: str | None, kind: str) -> Value:
    if text is None:
        return None
    match kind:
        case "tinyint" | "smallint" | "integer" | "bigint":
            return int(text)
        case "float" | "double" | "decimal":
            return float(text)
        case "boolean":
            return text == "true"
        case _:
            return text
