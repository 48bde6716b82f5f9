"""Firehose's transformation: the lines say of each event what the consumer says, and no record is dropped."""

import json
import random
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.log_line import LogLine, line_of
from functions import log
from functions.log import MAX_RESPONSE_BYTES, transform
from functions.log_objects import read_line
from functions.quarantine import Position, Quarantined
from functions.records import Received, read_data, read_record
from tests.factory import make_interaction
from tests.frames import BYTE_ORDER_MARK, aggregate, compressed

ARRIVAL = datetime(2026, 3, 1, 10, 0, 0, 987000, UTC)
MILLISECONDS = 1_772_359_200_987
SHARD, NUMBER = "shardId-000000000003", "49590338271490256608559692540925702759324208523137515618"
GOOD = [json.dumps(make_interaction(event_id=f"e{n}", score=round(10.0 * n, 1))).encode() for n in range(4)]
RECORDS = {
    "an interaction": GOOD[0],
    "an invalid interaction": json.dumps(make_interaction(score=101)).encode(),
    "an interaction that is too early": json.dumps(
        make_interaction(occurred_at="2026-03-02T00:00:00Z")
    ).encode(),
    "an exam": b'{"event_id": "x", "user_id": "ann", "certification_type": "SAA", "passed": true,'
    b' "occurred_at": "2026-03-01T09:00:00Z"}',
    "a retraction": b'{"event_id": "x", "user_id": "ann", "retracted_on": "2026-03-01"}',
    "no JSON": b"no JSON",
    "no UTF-8": b'{"user_id": "\xff"}',
    "nothing": b"",
    "JSON lines": b"\n".join(GOOD),
    "a JSON array": b"[" + b",".join(GOOD) + b"]",
    "a byte order mark": BYTE_ORDER_MARK + GOOD[0],
    "gzip": compressed(b"\n".join(GOOD)),
    "a truncated gzip": compressed(b"\n".join(GOOD))[:-9],
    "an aggregate": aggregate(GOOD),
    "an aggregate of frames": aggregate([b"\n".join(GOOD[:2]), GOOD[2], compressed(GOOD[3]), b"no"]),
}
each_record = pytest.mark.parametrize("data", RECORDS.values(), ids=RECORDS)


def from_firehose(data: bytes, sub: Any = 0, number: str = NUMBER, **changed: Any) -> dict[str, Any]:
    """Return a record as Firehose hands it to the transformation, with these fields changed."""
    return {
        "recordId": f"{number}-{sub}",
        "approximateArrivalTimestamp": MILLISECONDS,
        "data": b64encode(data).decode(),
        "kinesisRecordMetadata": {
            "shardId": SHARD,
            "partitionKey": "ann",
            "approximateArrivalTimestamp": MILLISECONDS,
            "sequenceNumber": number,
            "subsequenceNumber": sub,
        },
        **changed,
    }


def from_kinesis(data: bytes) -> dict[str, Any]:
    """Return the same record as the consumer gets it."""
    return {
        "eventID": f"{SHARD}:{NUMBER}",
        "kinesis": {
            "sequenceNumber": NUMBER,
            "approximateArrivalTimestamp": MILLISECONDS / 1000,
            "data": b64encode(data).decode(),
        },
    }


def lines(answers: Sequence[dict[str, str]]) -> list[LogLine]:
    """Return the lines in an answer to Firehose."""
    assert {answer["result"] for answer in answers} == {"Ok"}
    text = b"".join(b64decode(answer["data"]) for answer in answers)
    assert text.endswith(b"\n")
    return [line_of(line) for line in text.splitlines()]


def alone(one: Received | Quarantined) -> Received | Quarantined:
    """Return what was read, without the reason: that of a part does not name its frame."""
    return one if isinstance(one, Received) else one._replace(reason="", faults=())


@each_record
def test_a_line_has_the_payload_position_and_arrival_that_the_consumer_has(data: bytes) -> None:
    wanted = read_record(from_kinesis(data))
    found = lines(transform([from_firehose(data)]))
    assert [alone(one) for line in found for one in read_line(line)] == [alone(one) for one in wanted]
    for line, one in zip(found, wanted, strict=True):
        assert line.arrived_at == ARRIVAL
        assert (line.shard, line.sequence_number, line.part) == one.position
        assert line.code == (one.code if isinstance(one, Quarantined) else None)


@pytest.mark.parametrize("subs", [(0, 1, 2, 3), ("0", "1", "2", "3")])
def test_records_that_firehose_took_out_of_an_aggregate_have_the_same_positions(
    subs: tuple[int | str, ...],
) -> None:
    inside = [b"\n".join(GOOD[:2]), GOOD[2], compressed(GOOD[3]), b"no"]
    records = [from_firehose(data, sub) for sub, data in zip(subs, inside, strict=True)]
    other = from_firehose(GOOD[0], number="7")
    found = lines(transform([other, *records, other]))
    whole = lines(transform([from_firehose(aggregate(inside))]))
    assert [line[:5] for line in found[1:-1]] == [line[:5] for line in whole]
    assert [line.part for line in found] == [0, 1, 2, 3, 4, 5, 0]


def test_the_rest_of_an_aggregate_in_the_next_call_goes_on_with_its_number() -> None:
    assert [line.part for line in lines(transform([from_firehose(GOOD[0], 7), from_firehose(b"no", 8)]))] == [
        8,
        9,
    ]


def test_a_record_without_metadata_has_no_position() -> None:
    record = from_firehose(RECORDS["JSON lines"])
    del record["kinesisRecordMetadata"]
    found = lines(transform([record, {**record, "recordId": "2"}]))
    assert [line[1:5] for line in found] == [(ARRIVAL, "", "", part) for part in (1, 2, 3, 4)] * 2


@pytest.mark.parametrize("subsequence", ["", None])
def test_the_forms_of_metadata_in_awss_examples_are_read(subsequence: str | None) -> None:
    record = from_firehose(GOOD[0], subsequence)
    record["kinesisRecordMetadata"]["approximateArrivalTimestamp"] = "2026-03-01T10:00:00.987Z"
    [line] = lines(transform([record]))
    assert line[1:5] == (ARRIVAL, SHARD, NUMBER, 0)


def test_a_line_names_learner_event_and_days_where_they_can_be_read() -> None:
    found = lines(transform([from_firehose(data) for data in RECORDS.values()][:6]))
    day, occurred = "2026-03-01", "2026-03-01T07:00:00.000000Z"
    assert [line[5:] for line in found] == [
        ("ann", "e0", day, "interaction", None, day, occurred),
        ("ann", "e-1", day, None, "invalid", None, occurred),
        ("ann", "e-1", "2026-03-02", None, "too_early", None, "2026-03-02T00:00:00.000000Z"),
        ("ann", "x", day, "exam", None, None, "2026-03-01T09:00:00.000000Z"),
        ("ann", "x", day, "retraction", None, None, None),
        (None, None, None, None, "malformed", None, None),
    ]


def test_records_are_answered_in_order_under_their_ids() -> None:
    records = [from_firehose(data, number=str(n)) for n, data in enumerate(RECORDS.values())]
    assert [answer["recordId"] for answer in transform(records)] == [f"{n}-0" for n in range(len(RECORDS))]
    assert transform([]) == []


def noise(size: int) -> str:
    """Return a text that does not compress well."""
    return random.Random(size).randbytes(size // 2).hex()


def many(count: int, size: int) -> bytes:
    return b"\n".join(
        json.dumps(make_interaction(event_id=f"e{n}", additional_data={"x": noise(size)})).encode()
        for n in range(count)
    )


def size_of(answers: list[dict[str, str]]) -> int:
    return len(json.dumps({"records": answers}, separators=(",", ":")))


def test_a_framed_record_that_does_not_fit_is_handed_on_with_its_frame() -> None:
    framed = compressed(many(1300, 4000))
    answers = transform([from_firehose(GOOD[0], number="1"), from_firehose(framed)])
    assert size_of(answers) <= MAX_RESPONSE_BYTES
    small, large = lines(answers)
    assert small.payload == GOOD[0]
    assert large == LogLine(framed, ARRIVAL, SHARD, NUMBER)
    assert read_line(large) == read_data(framed, Position(SHARD, NUMBER), ARRIVAL)


def test_records_that_do_not_fit_at_all_are_handed_back_so_that_firehose_keeps_them() -> None:
    large = [b"\xff" * 900_000, b"\xfe" * 1_000_000, b"\xfd" * 950_000, b"\xfc" * 980_000]
    records = [from_firehose(data, number=str(n)) for n, data in enumerate([*large, *GOOD])]
    assert size_of([{"data": record["data"]} for record in records]) < MAX_RESPONSE_BYTES
    answers = transform(records)
    assert size_of(answers) <= MAX_RESPONSE_BYTES
    assert [answer["result"] for answer in answers] == [
        "Ok",
        "ProcessingFailed",
        "Ok",
        "ProcessingFailed",
        *["Ok"] * 4,
    ]
    assert [b64decode(answers[number]["data"]) for number in (1, 3)] == [large[1], large[3]]


def test_as_many_small_records_as_firehose_gathers_fit_into_an_answer() -> None:
    data = json.dumps(make_interaction(), separators=(",", ":")).encode()
    count = 1024 * 1024 // len(data)
    answers = transform([from_firehose(data, number=str(n)) for n in range(count)])
    assert {answer["result"] for answer in answers} == {"Ok"}
    assert size_of(answers) <= MAX_RESPONSE_BYTES


def test_a_bug_keeps_the_record_as_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> list[Received | Quarantined]:
        raise RuntimeError("a bug")

    monkeypatch.setattr(log, "read_data", fail)
    assert lines(transform([from_firehose(GOOD[0])])) == [LogLine(GOOD[0], ARRIVAL, SHARD, NUMBER)]
