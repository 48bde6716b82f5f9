"""Framed records of the stream: each interaction in them is judged alone, and has a position of its own."""

import json
from base64 import b64decode
from datetime import timedelta
from typing import Any

import pytest

from functions import aws, project
from functions.framing import MAX_DECOMPRESSED_BYTES, MAX_INTERACTIONS
from functions.observability import metrics
from functions.quarantine import Position
from functions.records import Received, read_data
from tests.factory import make_interaction
from tests.frames import BYTE_ORDER_MARK, aggregate, compressed
from tests.integration.conftest import ARRIVAL, BUCKET, Context, World, stream_event

POSITION = Position("shardId-000000000000", "1")
GOOD = [make_interaction(event_id=f"e{n}", user_id=f"learner-{n % 2}") for n in range(4)]


def encoded(interactions: list[dict[str, Any]]) -> list[bytes]:
    return [json.dumps(fields).encode() for fields in interactions]


def framed(frame: str, interactions: list[dict[str, Any]]) -> bytes:
    """Return a record with these interactions."""
    one_by_one = encoded(interactions)
    match frame:
        case "KPL aggregate":
            return aggregate(one_by_one)
        case "KPL aggregate of JSON lines":
            return aggregate([b"\n".join(one_by_one[:2]), b"\n".join(one_by_one[2:])])
        case "JSON lines":
            return b"\n".join(one_by_one)
        case "JSON array":
            return b"[" + b",".join(one_by_one) + b"]"
        case "byte order mark":
            return BYTE_ORDER_MARK + b"\n".join(one_by_one)
        case _:
            return compressed(b"\n".join(one_by_one))


FRAMES = [
    "KPL aggregate",
    "KPL aggregate of JSON lines",
    "JSON lines",
    "JSON array",
    "byte order mark",
    "gzip of JSON lines",
]


@pytest.mark.parametrize("frame", FRAMES)
def test_a_framed_record_gives_the_same_views_as_its_interactions_alone(world: World, frame: str) -> None:
    outcome = world.project(framed(frame, GOOD))
    assert (outcome.applied, outcome.duplicates, outcome.quarantined) == (4, 0, [])
    framed_items = world.items()
    for item in framed_items.values():
        aws.dynamodb().delete_item(TableName="views", Key={"pk": item["pk"], "sk": item["sk"]})
    for key in [("CATALOG", "HEAD"), *(key for key in framed_items if key[1].startswith("CERT#"))]:
        aws.dynamodb().put_item(TableName="views", Item=framed_items[key])
    assert world.project(*GOOD).applied == 4
    assert world.items() == framed_items


@pytest.mark.parametrize("frame", FRAMES)
def test_each_interaction_of_a_framed_record_is_judged_alone(world: World, frame: str) -> None:
    mixed = [
        GOOD[0],
        make_interaction(event_id="bad", score=101),
        GOOD[1],
        make_interaction(event_id="late", content_id="unheard-of"),
    ]
    for _ in range(2):  # The batch is delivered again.
        world.project(make_interaction(event_id="before"), framed(frame, mixed), b"no JSON")
        messages = sorted(world.quarantined(), key=lambda message: str(message["position"]))
        assert [(message["code"], message["position"]) for message in messages] == [
            ("invalid", {"shard": "shardId-000000000000", "sequence_number": "2", "part": 2}),
            ("unknown_content", {"shard": "shardId-000000000000", "sequence_number": "2", "part": 4}),
            ("malformed", {"shard": "shardId-000000000000", "sequence_number": "3"}),
        ]
        assert [json.loads(b64decode(message["payload"])) for message in messages[:2]] == [mixed[1], mixed[3]]
        assert [fault["field"] for fault in messages[0]["faults"]] == ["score"]
    states = [world.store.read_state(f"learner-{n}") for n in range(2)]
    assert [state.total.interactions for state in states if state] == [1, 1]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (aggregate(encoded(GOOD))[:-1], "KPL aggregate: it is truncated, or its MD5 checksum is wrong"),
        (compressed(b"\n".join(encoded(GOOD)))[:-1], "gzip: it is truncated, or something follows it"),
        (compressed(b" " * (MAX_DECOMPRESSED_BYTES + 1)), "gzip: it has more than 10,485,760 bytes when "),
        (b"[" + b",".join(encoded(GOOD)), "JSON array: not JSON: expected ',' or ']' at character "),
        (b"\n".join([b"{}"] * (MAX_INTERACTIONS + 1)), "JSON lines: it has more than 5,000 interactions"),
    ],
    ids=["KPL aggregate", "gzip", "bomb", "JSON array", "JSON lines"],
)
def test_a_frame_that_can_not_be_read_is_kept_whole_under_its_reason(
    world: World, data: bytes, reason: str
) -> None:
    assert world.project(make_interaction(event_id="before"), data).applied == 1
    [message] = world.quarantined()
    assert message["code"] == "malformed"
    assert message["reason"].startswith(reason)
    assert [fault["message"] for fault in message["faults"]] == [message["reason"]]
    assert message["position"] == {"shard": "shardId-000000000000", "sequence_number": "2"}
    assert b64decode(message["payload"]) == data


def test_large_payloads_of_one_record_are_kept_apart(world: World) -> None:
    large = [make_interaction(event_id=f"e{n}", session_id="x" * 70_000) for n in range(2)]
    world.project(framed("JSON lines", large), make_interaction(event_id="y", session_id="y" * 70_000))
    keys = [message["payload_s3"]["key"] for message in world.quarantined()]
    stem = "quarantine/shardId-000000000000"
    assert keys == [f"{stem}/1/1", f"{stem}/1/2", f"{stem}/2"]
    stored = [aws.s3().get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys[:2]]
    assert [json.loads(data) for data in stored] == large


@pytest.mark.parametrize(
    ("data", "parts"),
    [
        (json.dumps(GOOD[0]).encode(), [0]),
        (b"\n" + json.dumps(GOOD[0], indent=2).encode() + b"\n", [0]),
        (b'{"score": NaN}', [0]),
        (b"", [0]),
        (b"null", [0]),
        (b"[1]", [0]),
        (b"[" + json.dumps(GOOD[0]).encode() + b"]", [1]),
        (framed("JSON lines", GOOD), [1, 2, 3, 4]),
    ],
)
def test_only_framed_records_have_numbered_parts(data: bytes, parts: list[int]) -> None:
    assert [one.position for one in read_data(data, POSITION, ARRIVAL)] == [
        POSITION._replace(part=part) for part in parts
    ]


def test_the_position_of_a_plain_record_is_written_as_before() -> None:
    assert str(POSITION) == "shardId-000000000000:1"
    assert str(POSITION._replace(part=3)) == "shardId-000000000000:1:3"


# -- late interactions -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("delay", "late"),
    [
        (timedelta(), 0),
        (timedelta(days=2), 0),
        (timedelta(days=2, microseconds=1), 1),
        (timedelta(days=30), 1),
    ],
)
def test_an_interaction_is_late_after_more_than_two_days(world: World, delay: timedelta, late: int) -> None:
    moment = (ARRIVAL - delay).isoformat()
    [received] = read_data(json.dumps(make_interaction(occurred_at=moment)).encode(), POSITION, ARRIVAL)
    assert isinstance(received, Received)
    assert received.is_late == bool(late)
    assert world.project(make_interaction(occurred_at=moment), make_interaction(score=101)).late == late


def test_the_function_counts_interactions_that_arrived_more_than_two_days_late(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: dict[str, float] = {}
    count = metrics.add_metric

    def add_metric(name: str, unit: Any, value: float) -> None:
        counted[name] = value
        count(name, unit, value)

    monkeypatch.setattr(metrics, "add_metric", add_metric)
    backdated = [
        make_interaction(event_id=f"e{n}", occurred_at=(ARRIVAL - timedelta(days=n)).isoformat())
        for n in range(31)
    ]
    project.handler(stream_event(framed("JSON array", backdated)), Context())
    assert (counted["Applied"], counted["ArrivedMoreThanTwoDaysLate"]) == (31, 28)
