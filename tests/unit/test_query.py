"""The SQL that asks the event log. tests/e2e/test_query.py runs it."""

from collections.abc import Sequence
from datetime import date
from types import SimpleNamespace
from typing import Any, cast

import click
import pytest

from cli.athena import log_queries, run
from cli.named_queries import QUERIES
from cli.query import chosen
from cli.stack import Stack
from functions.log_query import LogQueries, QueryFailed
from functions.log_views import Engine, NoQuery, lines_of_learners, with_views


@pytest.mark.parametrize(
    ("sql", "end"),
    [
        ("SELECT 1;", ")\nSELECT 1"),
        ("-- why\n  select 1", ")\n-- why\n  select 1"),
        ("(SELECT 1) UNION (SELECT 2)", ")\n(SELECT 1) UNION (SELECT 2)"),
        ("with x as (select 1) select * from x", "),\nx as (select 1) select * from x"),
        ("/* a */ WITH x AS (SELECT 1) SELECT 2", "),\nx AS (SELECT 1) SELECT 2"),
    ],
)
def test_the_views_come_before_a_query(sql: str, end: str) -> None:
    text = with_views(sql, "duckdb")
    assert text.startswith("WITH lines AS (")
    assert text.endswith(end)


def test_a_recursive_query_stays_recursive() -> None:
    text = with_views("WITH RECURSIVE x(n) AS (SELECT 1) SELECT n FROM x", "athena")
    assert text.startswith("WITH RECURSIVE lines AS (")
    assert text.endswith("),\nx(n) AS (SELECT 1) SELECT n FROM x")


@pytest.mark.parametrize(
    "sql", ["", "DROP TABLE log_lines", "-- SELECT\nDELETE FROM x", "selected", "INSERT INTO x"]
)
def test_only_what_reads_is_a_query(sql: str) -> None:
    with pytest.raises(NoQuery):
        with_views(sql, "athena")


def test_athena_reads_the_partitions_from_the_first_day_on() -> None:
    text = with_views("SELECT 1", "athena", date(2026, 11, 1), date(2026, 11, 30))
    assert "FROM log_lines WHERE day >= '2026/11/01'" in text
    assert "arrived_at >= '2026-11-01'" in text
    assert "arrived_at < '2026-11-30T24'" in text
    assert "json_extract_scalar(line, '$.user_id') AS user_id" in text
    assert "day >=" not in with_views("SELECT 1", "duckdb", date(2026, 11, 1)), "it has no partitions"
    assert "WHERE day" not in with_views("SELECT 1", "athena")


def test_a_learners_id_is_a_literal() -> None:
    assert "IN ('ann', 'o''brien')" in lines_of_learners(["o'brien", "ann"], "athena")
    assert chosen("interactions", None, "auth0|abc").count("'auth0|abc'") == 1


@pytest.mark.parametrize(
    ("name", "sql", "user", "message"),
    [
        (None, None, None, "name a query"),
        ("quarantined", "SELECT 1", None, "name a query"),
        ("interactions", None, None, "needs --user"),
        ("quarantined", None, "ann", "takes no --user"),
        ("interactions", None, "a b", "no learner's id"),
        (None, "SELECT 1", "ann", "write the learner's id"),
    ],
)
def test_what_is_no_question_is_refused(
    name: str | None, sql: str | None, user: str | None, message: str
) -> None:
    with pytest.raises(click.UsageError, match=message):
        chosen(name, sql, user)


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize("engine", ["athena", "duckdb"])
def test_every_named_query_fits_the_views(name: str, engine: Any) -> None:
    sql = chosen(name, None, "ann" if QUERIES[name].needs_user else None)
    assert with_views(sql, engine).count("WITH") == 1


class FakeAthena:
    """Answers as Athena does: states one after the other, and rows in pages."""

    COLUMNS = (
        {"Name": "n", "Type": "bigint"},
        {"Name": "r", "Type": "double"},
        {"Name": "t", "Type": "varchar"},
        {"Name": "b", "Type": "boolean"},
    )

    def __init__(
        self,
        states: list[dict[str, Any]],
        pages: list[list[list[str | None]]],
        columns: Sequence[dict[str, str]] = COLUMNS,
    ) -> None:
        self.states = states
        self.pages = pages
        self.columns = list(columns)
        self.stopped = 0

    def start_query_execution(self, **arguments: Any) -> dict[str, str]:
        assert arguments["WorkGroup"] == "streakline-log"
        assert arguments["QueryExecutionContext"] == {"Database": "streakline"}
        return {"QueryExecutionId": "q1"}

    def get_query_execution(self, **_: Any) -> dict[str, Any]:
        return {"QueryExecution": {"Status": self.states.pop(0)}}

    def stop_query_execution(self, **_: Any) -> None:
        self.stopped += 1

    def get_paginator(self, name: str) -> "FakeAthena":
        assert name == "get_query_results"
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        return [
            {
                "ResultSet": {
                    "ResultSetMetadata": {"ColumnInfo": self.columns},
                    "Rows": [
                        {"Data": [{} if cell is None else {"VarCharValue": cell} for cell in row]}
                        for row in page
                    ],
                }
            }
            for page in self.pages
        ]


class FakeS3:
    def __init__(self) -> None:
        self.keys = ["queries/q1.csv", "queries/q1.csv.metadata"]

    def list_objects_v2(self, **arguments: Any) -> dict[str, Any]:
        return {"Contents": [{"Key": key} for key in self.keys if key.startswith(arguments["Prefix"])]}

    def delete_object(self, **arguments: Any) -> None:
        self.keys.remove(arguments["Key"])


SUCCEEDED = {"State": "SUCCEEDED"}


def queries(athena: FakeAthena, s3: FakeS3, pauses: list[float], engine: Engine = "athena") -> LogQueries:
    return LogQueries(athena, cast(Any, s3), "streakline", "streakline-log", "bucket", engine, pauses.append)


def test_rows_of_all_pages_have_their_types_and_the_answer_is_deleted() -> None:
    header: list[str | None] = ["n", "r", "t", "b"]
    pages: list[list[list[str | None]]] = [[header, ["1", "0.5", "x", "true"]], [["2", None, None, "false"]]]
    athena = FakeAthena([{"State": "QUEUED"}, {"State": "RUNNING"}, SUCCEEDED], pages)
    s3, pauses = FakeS3(), list[float]()
    rows = list(queries(athena, s3, pauses).run("SELECT 1"))
    assert rows == [{"n": 1, "r": 0.5, "t": "x", "b": True}, {"n": 2, "r": None, "t": None, "b": False}]
    assert s3.keys == []
    assert len(pauses) == 2


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"State": "FAILED", "StateChangeReason": "COLUMN_NOT_FOUND"}, "COLUMN_NOT_FOUND"),
        ({"State": "CANCELLED"}, "it was cancelled"),
    ],
)
def test_a_query_that_fails_says_why(state: dict[str, Any], message: str) -> None:
    with pytest.raises(QueryFailed, match=message):
        list(queries(FakeAthena([state], []), FakeS3(), []).run("SELECT 1"))


@pytest.mark.parametrize(
    ("columns", "rows"),
    [([], [[]]), ([{"Name": "result", "Type": "varchar"}], [["result"], ["mock_value"]])],
    ids=["WITH", "SELECT"],
)
def test_an_answer_that_the_local_stack_makes_up_is_refused(
    columns: list[dict[str, str]], rows: list[list[str | None]]
) -> None:
    """MiniStack answers so if DuckDB is not installed beside it."""
    athena = FakeAthena([SUCCEEDED], [rows], columns)
    with pytest.raises(QueryFailed, match="make setup"):
        list(queries(athena, FakeS3(), [], "duckdb").run("SELECT 1"))


def test_a_query_that_is_interrupted_is_stopped() -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    athena = FakeAthena([{"State": "RUNNING"}], [])
    asked = LogQueries(
        athena, cast(Any, FakeS3()), "streakline", "streakline-log", "bucket", "athena", interrupt
    )
    with pytest.raises(KeyboardInterrupt):
        list(asked.run("SELECT 1"))
    assert athena.stopped == 1


def test_a_stack_without_an_event_log_says_so_and_a_failure_is_a_message() -> None:
    with pytest.raises(click.ClickException, match="EventLog=on"):
        log_queries(cast(Stack, SimpleNamespace(outputs={"EventLogBucket": "b"})))
    outputs = {"EventLogBucket": "b", "EventLogDatabase": "streakline", "EventLogWorkGroup": "streakline-log"}
    clients = {"athena": FakeAthena([{"State": "FAILED", "StateChangeReason": "down"}], []), "s3": FakeS3()}
    stack = SimpleNamespace(outputs=outputs, endpoint_url=None, client=clients.__getitem__)
    with pytest.raises(click.ClickException, match="the query of the event log failed: down"):
        list(run(cast(Stack, stack), "SELECT 1"))
