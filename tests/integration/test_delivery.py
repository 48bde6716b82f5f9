"""The local stack's stand-in for Firehose: it calls the transformation, and writes the same objects."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cli.delivery import Delivery
from cli.stack import Stack
from domain.log_line import LogLine
from functions import aws, log
from functions.log_objects import BadLine, read_object
from tests.factory import make_interaction
from tests.integration.conftest import BUCKET, STREAM, World


class FakeLambda:
    """Calls a function in this process, as Lambda's API would."""

    def __init__(self, function: Callable[[dict[str, Any]], Any]) -> None:
        self.function = function
        self.calls = 0

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        assert FunctionName == "log-function"
        self.calls += 1
        try:
            answer = self.function(json.loads(Payload))
        except RuntimeError as error:
            failed = json.dumps({"errorMessage": str(error)}).encode()
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(failed)}
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}


def delivery_of(positions: Path, function: FakeLambda) -> Delivery:
    clients = {"kinesis": aws.kinesis(), "s3": aws.s3(), "lambda": function}
    outputs = {"StreamName": STREAM, "EventLogBucket": BUCKET}
    return Delivery(
        cast(Stack, SimpleNamespace(client=clients.__getitem__, outputs=outputs)), "log-function", positions
    )


def put(*names: str) -> None:
    entries = [
        {"Data": json.dumps(make_interaction(event_id=name)).encode(), "PartitionKey": "ann"}
        for name in names
    ]
    aws.kinesis().put_records(StreamName=STREAM, Records=entries)  # type: ignore[arg-type]  # dicts with these keys


def in_log(prefix: str) -> list[LogLine | BadLine]:
    found: list[LogLine | BadLine] = []
    for listed in aws.s3().list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", []):
        stored = aws.s3().get_object(Bucket=BUCKET, Key=listed["Key"])
        found += read_object(stored["Body"], listed["Key"], listed["LastModified"])
    return found


def ids(found: list[LogLine | BadLine]) -> list[str | None]:
    return [line.event_id for line in found if isinstance(line, LogLine)]


def test_what_is_in_the_stream_is_written_once_with_its_position(world: World, tmp_path: Path) -> None:
    function = FakeLambda(
        lambda event: log.handler(event, cast(Any, SimpleNamespace(aws_request_id="request-1")))
    )
    delivery = delivery_of(tmp_path / "positions", function)
    put("a", "b")
    assert delivery.deliver() == 2
    assert delivery.deliver() == 0
    put("c")
    assert delivery.deliver() == 1
    found = in_log("log/")
    assert sorted(map(str, ids(found))) == ["a", "b", "c"]
    assert function.calls == 2
    first = found[0]
    assert isinstance(first, LogLine)
    shard = aws.kinesis().list_shards(StreamName=STREAM)["Shards"][0]["ShardId"]
    assert (first.shard, first.part) == (shard, 0)
    assert first.sequence_number
    put("d")
    assert delivery_of(tmp_path / "positions", function).deliver() == 1, "another process goes on"


@pytest.mark.parametrize("failure", ["raises", "fails them"])
def test_records_that_are_not_transformed_are_kept_as_errors(
    world: World, tmp_path: Path, failure: str
) -> None:
    def function(event: dict[str, Any]) -> Any:
        if failure == "raises":
            raise RuntimeError("a bug")
        failed = [{**record, "result": "ProcessingFailed"} for record in event["records"]]
        return {"records": failed}

    put("a", "b")
    assert delivery_of(tmp_path / "positions", FakeLambda(function)).deliver() == 2
    assert in_log("log/") == []
    payloads = [json.loads(line.payload) for line in in_log("log-errors/") if isinstance(line, LogLine)]
    assert [fields["event_id"] for fields in payloads] == ["a", "b"]
