"""Objects of the event log: compressed or not, of Firehose's errors, truncated, and foreign."""

import gzip
import json
import tracemalloc
from base64 import b64encode
from datetime import UTC, datetime
from io import BytesIO

import pytest

from domain.log_line import LogLine, line_for, to_text
from functions import aws
from functions.log_objects import MAX_LINE_BYTES, BadLine, read_line, read_object
from functions.quarantine import Position, Quarantined
from functions.records import Received
from tests.factory import make_interaction
from tests.integration.conftest import ARRIVAL, BUCKET, World

DELIVERED = datetime(2026, 3, 2, 12, 5, tzinfo=UTC)
PAYLOADS = [json.dumps(make_interaction(event_id=f"e-{n}")).encode() for n in range(3)]
LINES = [line_for(payload, ARRIVAL, "shard", str(n), 0) for n, payload in enumerate(PAYLOADS)]
TEXT = b"".join(to_text(line).encode() + b"\n" for line in LINES)


def read(content: bytes, key: str = "log/2026/03/02/a.gz") -> list[LogLine | BadLine]:
    return list(read_object(BytesIO(content), key, DELIVERED))


@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        gzip.compress(TEXT, mtime=0),
        gzip.compress(TEXT[:100], mtime=0) + gzip.compress(TEXT[100:], mtime=0),
    ],
)
def test_an_object_is_read_whether_or_not_it_is_compressed(content: bytes) -> None:
    assert read(content) == LINES


def test_an_object_is_read_as_s3_streams_it(world: World) -> None:
    aws.s3().put_object(Bucket=BUCKET, Key="log/a", Body=gzip.compress(TEXT, mtime=0))
    body = aws.s3().get_object(Bucket=BUCKET, Key="log/a")["Body"]
    assert list(read_object(body, "log/a", DELIVERED)) == LINES


def test_a_bad_line_is_told_and_the_others_are_read() -> None:
    found = read(TEXT.replace(b"\n", b"\nnonsense\n\n", 1))
    assert [line for line in found if isinstance(line, LogLine)] == LINES
    [bad] = [line for line in found if isinstance(line, BadLine)]
    assert (bad.key, bad.line) == ("log/2026/03/02/a.gz", 2)
    assert "not JSON" in bad.why


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_truncated_object_is_read_as_far_as_it_goes(cut: int) -> None:
    *found, bad = read(gzip.compress(TEXT, mtime=0)[:-cut])
    lines = [line for line in found if isinstance(line, LogLine)]
    assert lines == LINES[: len(lines)]
    assert isinstance(bad, BadLine)
    assert "rest of the object" in bad.why


@pytest.mark.parametrize("content", [b"", b"\n\n", gzip.compress(b"", mtime=0)])
def test_an_empty_object_has_no_line(content: bytes) -> None:
    assert read(content) == []


def test_a_foreign_object_is_told_line_by_line() -> None:
    found = read(b"PK\x03\x04 a zip file\n\x00\xff")
    assert [type(line) for line in found] == [BadLine, BadLine]


def test_a_record_that_firehose_could_not_transform_is_read_too() -> None:
    arrival = int(ARRIVAL.timestamp() * 1000)
    error = {
        "attemptsMade": 4,
        "arrivalTimestamp": arrival,
        "errorCode": "Lambda.FunctionTimedOut",
        "errorMessage": "…",
        "attemptEndingTimestamp": arrival + 1,
        "rawData": b64encode(PAYLOADS[0] + b"\n" + PAYLOADS[1]).decode(),
        "lambdaArn": "arn",
    }
    [line] = read(json.dumps(error).encode() + b"\n", "log-errors/processing-failed/2026/03/02/a")
    assert isinstance(line, LogLine)
    received = read_line(line)
    assert [one.payload for one in received] == PAYLOADS[:2]
    assert all(isinstance(one, Received) and one.arrived_at == ARRIVAL for one in received)
    [bad] = read(b'{"rawData": "*"}\n', "log-errors/x")
    assert isinstance(bad, BadLine)


def test_records_of_an_early_log_arrived_when_their_object_was_written() -> None:
    [line, second, *_] = read(b"\n".join(PAYLOADS))
    assert isinstance(line, LogLine)
    assert line.arrived_at == DELIVERED
    assert second[2:4] == ("log/2026/03/02/a.gz", "2"), "its position is in the log"
    [received] = read_line(line)
    assert isinstance(received, Received)


def test_the_arrival_in_the_log_decides_what_was_too_early() -> None:
    early = line_for(
        json.dumps(make_interaction(occurred_at="2026-03-02T12:06:00Z")).encode(), ARRIVAL, "", "", 0
    )
    assert early.code == "too_early"
    [refused] = read_line(early)
    assert not isinstance(refused, Received)


MANY = TEXT * 400


@pytest.mark.parametrize(
    "content",
    [
        MANY.rstrip(),
        MANY.replace(b"\n", b"\r\n\n"),
        gzip.compress(MANY, mtime=0),
        gzip.compress(MANY[:70_000], mtime=0) + gzip.compress(MANY[70_000:], mtime=0) + b"\0\0",
    ],
    ids=["no line break at the end", "empty lines", "gzip", "gzip of two members"],
)
def test_all_lines_of_a_larger_object_are_read_in_order(content: bytes) -> None:
    assert read(content) == LINES * 400


def test_a_damaged_object_is_read_as_far_as_it_goes() -> None:
    damaged = bytearray(gzip.compress(MANY, mtime=0))
    damaged[-8] ^= 1
    *lines, bad = read(bytes(damaged))
    assert lines == (LINES * 400)[: len(lines)]
    assert isinstance(bad, BadLine)
    assert "gzip" in bad.why


def test_a_line_that_is_too_long_is_told_and_the_next_one_is_read() -> None:
    long = b"x" * (MAX_LINE_BYTES + 1)
    first, *lines, last = read(long + b"\n" + TEXT + long)
    assert lines == LINES
    assert isinstance(first, BadLine)
    assert isinstance(last, BadLine)
    assert (first.line, last.line) == (1, 5)
    assert "longer than 16,777,216 bytes" in first.why


@pytest.mark.parametrize("arrival", [None, "soon", 10**30])
def test_an_error_record_without_its_time_is_told(arrival: object) -> None:
    record = {"rawData": b64encode(PAYLOADS[0]).decode(), "arrivalTimestamp": arrival}
    [bad] = read(json.dumps(record).encode(), "log-errors/x")
    assert isinstance(bad, BadLine)


def test_a_part_of_a_framed_record_is_judged_alone() -> None:
    payload = b"[%s]" % PAYLOADS[0]
    [refused] = read_line(line_for(payload, ARRIVAL, "shard", "1", 2))
    assert isinstance(refused, Quarantined)
    assert refused.position == Position("shard", "1", 2)
    [received] = read_line(line_for(payload, ARRIVAL, "shard", "1", 0))
    assert isinstance(received, Received)


def test_memory_does_not_grow_with_the_object() -> None:
    def peak(times: int) -> int:
        whole = BytesIO(gzip.compress(TEXT * times))
        tracemalloc.start()
        assert sum(1 for _ in read_object(whole, "log/a", DELIVERED)) == 3 * times
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)
    assert peak(16_000) < 1.2 * peak(8_000)


def test_the_last_line_before_a_lost_end_of_the_compression_is_read() -> None:
    *lines, bad = read(gzip.compress(TEXT.rstrip(b"\n"), mtime=0)[:-8])
    assert lines == LINES
    assert isinstance(bad, BadLine)
    assert "truncated" in bad.why
