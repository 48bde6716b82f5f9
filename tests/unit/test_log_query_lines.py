"""A learner's lines in the answer of a query: beside those of foreign objects."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from cli import log_lines
from cli.stack import Stack
from domain.log_line import LogLine, line_for, to_text
from functions import export

LINE = line_for(b"{}", datetime(2026, 3, 2, tzinfo=UTC), "shard", "1", 0)
FOREIGN = ["", "nonsense", "5", "\ufeff{", "\x00\x00Bud1", '{"arrived_at":"","payload":1}']


def for_an_export(*rows: dict[str, Any]) -> list[LogLine]:
    queries = SimpleNamespace(engine="duckdb", run=lambda _: iter(rows))
    objects = SimpleNamespace(keys=lambda _: ())
    return list(export.lines_of(cast(Any, queries), cast(Any, objects), "ann"))


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_line_of_a_foreign_object_is_left_out(foreign: str) -> None:
    assert for_an_export({"line": foreign}, {"line": to_text(LINE)}) == [LINE]


def test_a_line_of_an_early_release_has_a_time() -> None:
    [line] = for_an_export({"line": '{"user_id":"ann"}'})
    assert line.user_id == "ann"
    assert line.arrived_at is not None


def test_an_object_that_an_erasure_deletes_meanwhile_has_no_lines() -> None:
    class Gone:
        def get_paginator(self, _: str) -> Any:
            return SimpleNamespace(paginate=lambda **_: [{"Contents": [{"Key": "log-errors/a"}]}])

        def get_object(self, **_: str) -> Any:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")

    session = SimpleNamespace(client=lambda *_, **__: Gone())
    stack = Stack({"EventLogBucket": "b"}, "http://api", "http://aws", cast(Any, session))
    assert list(log_lines.lines_of(stack, "ann")) == []
