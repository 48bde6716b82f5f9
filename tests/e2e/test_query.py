"""The event log of a deployed stack, and its named queries, compared with sums over what the stream holds."""

import gzip
import json
import os
import random
import secrets
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, cast
from zoneinfo import ZoneInfo

import pytest

from cli.athena import run
from cli.delivery import Delivery, log_function
from cli.difficulty import in_log
from cli.log_lines import lines_of
from cli.query import chosen, with_views_of
from cli.stack import Stack
from domain.correct_rates import rates_of
from domain.log_line import LogLine
from functions.log_objects import read_line, read_object
from functions.records import Received
from tests.e2e.conftest import REPOSITORY, Deployed
from tests.e2e.interactions import eventually
from tests.e2e.second_stack import second_stack
from tests.frames import BYTE_ORDER_MARK, aggregate, compressed

NAME = f"log-{secrets.token_hex(4)}"
ZONES = (None, "Europe/Helsinki", "Pacific/Auckland", "America/Los_Angeles")
KINDS = {
    "view": "viewed",
    "ANSWERED": "answered",
    "answer": "answered",
    "completed": "completed",
    "finish": "completed",
}
FOREIGN = ("", "nonsense", "[1, 2]", "17", '{"arrived_at": "2026-11-01T00:00:00.000000Z", "part": "first"}')
"""Lines that something else has written into the log."""
type Fields = dict[str, Any]


class Sent(NamedTuple):
    """An event as the stream holds it."""

    fields: Fields
    at: datetime
    """When it occurred."""
    arrived: tuple[datetime, str, int]
    """Arrival, number in the stream, and part: the order in which the consumer meets records."""

    @property
    def identity(self) -> tuple[str, str, str]:
        day = self.fields.get("retracted_on") or f"{self.at:%Y-%m-%d}"
        return self.fields["user_id"], day, self.fields["event_id"]

    @property
    def local_day(self) -> str:
        zone = self.fields.get("timezone")
        local = (
            self.at.astimezone(ZoneInfo(zone)) if zone else datetime.fromisoformat(self.fields["occurred_at"])
        )
        return f"{local:%Y-%m-%d}"


def made(rng: random.Random, now: datetime) -> list[bytes]:
    """Return records: interactions, exams and retractions, with duplicates, faults and frames."""
    events: list[Fields] = []
    for number in range(400):
        age = timedelta(seconds=rng.randrange(60, 10 * 86_400), microseconds=rng.randrange(1_000_000))
        offset = timedelta(hours=rng.choice([0, 2, -7]))
        at = (
            (now - age + offset)
            .replace(tzinfo=None)
            .isoformat(timespec=rng.choice(["seconds", "microseconds"]))
        )
        sign = "-" if offset < timedelta() else "+"
        fields: Fields = {
            "event_id": f"e{number % 390}",
            "user_id": f"learner-{rng.randrange(12)}",
            "content_id": f"saa-{rng.randrange(15)}",
            "interaction_type": rng.choice(list(KINDS)),
            "occurred_at": f"{at}{sign}{abs(offset.total_seconds()) // 3600:02.0f}:00",
        }
        if zone := rng.choice(ZONES):
            fields["timezone"] = zone
        if rng.random() < 0.7:
            fields["score"] = rng.choice([0, 50, 99.999, 100, 87.125, 12.345, 33.3])
        if rng.random() < 0.3:
            fields["certification_type"] = rng.choice(["SAA", "DVA"])
        if rng.random() < 0.5:
            fields |= {"time_spent": rng.choice([30, 12.0, None]), "additional_data": {"note": "“é”\n"}}
        events.append(fields)
    exams: list[Fields] = [
        {**one, "event_id": f"x{n}", "certification_type": "SAA", "passed": n % 2 == 0}
        for n, one in enumerate(events[:6])
    ]
    for exam in exams:
        del exam["content_id"], exam["interaction_type"]
    duplicates = [{**one, "score": 1.5} for one in rng.sample(events, 40)]
    # Two answers within one minute: the lower score is the first answer.
    minute = [
        {
            **events[0],
            "event_id": f"m{n}",
            "interaction_type": "answer",
            "score": score,
            "occurred_at": f"2025-11-01T10:00:{50 - n:02}Z",
        }
        for n, score in enumerate([40, 20])
    ]
    retractions = []
    for one in rng.sample(events, 25):
        day = datetime.fromisoformat(one["occurred_at"]).astimezone(UTC).date().isoformat()
        retractions.append({"user_id": one["user_id"], "event_id": one["event_id"], "retracted_on": day})
    retractions.append({"user_id": "learner-0", "event_id": "never-sent", "retracted_on": "2025-11-01"})
    faults: list[Fields] = [
        {"score": 101},
        {"score": 102},
        {"timezone": "Mars/Olympus"},
        {"interaction_type": "slept"},
        {"occurred_at": "2099-01-01T00:00:00Z"},
        {"user_id": "a b"},
    ]
    invalid = [{**events[n], "user_id": f"invalid-{n}", **fault} for n, fault in enumerate(faults)]
    mixed = [*events, *exams, *minute, *invalid, *duplicates, *retractions]
    first = retractions[:5]  # These come before what they take back.
    payloads = [json.dumps(one, ensure_ascii=rng.random() < 0.5).encode() for one in [*first, *mixed]]
    records: list[bytes] = [b"no JSON", b"\xff\xfe", b'{"user_id": "learner-1"']
    while payloads:
        batch = [payloads.pop(0) for _ in range(min(len(payloads), rng.choice([1, 1, 1, 2, 7])))]
        frame = rng.choice(["lines", "array", "gzip", "aggregate", "mark"])
        match frame if len(batch) > 1 else None:
            case "lines" | "mark":
                records.append((BYTE_ORDER_MARK if frame == "mark" else b"") + b"\n".join(batch))
            case "array":
                records.append(b"[" + b",".join(batch) + b"]")
            case "gzip":
                records.append(compressed(b"\n".join(batch)))
            case "aggregate":
                records.append(aggregate(batch))
            case _:
                records += batch
    return records


class World(NamedTuple):
    """A stack whose log has what was sent to it, twice, and what that was."""

    stack: Stack
    facts: list[Sent]
    """Interactions and exams, one of each identity, without those that were taken back."""
    retracted: dict[tuple[str, str, str], datetime]
    everything: list[Sent]

    @property
    def interactions(self) -> list[Sent]:
        return [one for one in self.facts if "content_id" in one.fields]


def put(stack: Stack, records: list[bytes]) -> None:
    for start in range(0, len(records), 100):
        entries = [{"Data": record, "PartitionKey": "k"} for record in records[start : start + 100]]
        assert not stack.client("kinesis").put_records(
            StreamName=stack.outputs["StreamName"], Records=entries
        )["FailedRecordCount"]


@pytest.fixture(scope="module")
def world(stack: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with second_stack(stack.stack, NAME) as second:
        records = made(random.Random(18), datetime.now(UTC))
        put(second, records)
        function = log_function(second, NAME)
        directory: Path = tmp_path_factory.mktemp("positions")
        for delivery in ("first", "second"):  # Firehose delivers at least once.
            assert Delivery(second, function, directory / delivery).deliver() == len(records)
        second.client("s3").put_object(
            Bucket=second.outputs["EventLogBucket"],
            Key="log/2026/11/01/foreign.gz",
            Body=gzip.compress("\n".join(FOREIGN).encode()),
        )
        yield World(second, *read_back(second, records))


def read_back(
    stack: Stack, records: list[bytes]
) -> tuple[list[Sent], dict[tuple[str, str, str], datetime], list[Sent]]:
    """Return what the stream has, taken apart and judged without the code under test."""
    kinesis, name = stack.client("kinesis"), stack.outputs["StreamName"]
    [shard] = kinesis.list_shards(StreamName=name)["Shards"]
    iterator = kinesis.get_shard_iterator(
        StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    stored = kinesis.get_records(ShardIterator=iterator)["Records"]
    assert [one["Data"] for one in stored] == records
    valid: list[Sent] = []
    for one in stored:
        for part, text in enumerate(objects_in(one["Data"])):
            fields = json.loads(text)
            at = datetime.fromisoformat(fields.get("occurred_at", "2026-01-01T00:00:00Z")).astimezone(UTC)
            arrived = one["ApproximateArrivalTimestamp"].astimezone(UTC)
            if is_valid(fields, at, arrived):
                valid.append(Sent(fields, at, (arrived, one["SequenceNumber"], part)))
    retracted: dict[tuple[str, str, str], datetime] = {}
    facts: dict[tuple[str, str, str], Sent] = {}
    for sent in sorted(valid, key=lambda one: one.arrived):
        if "retracted_on" in sent.fields:
            retracted.setdefault(sent.identity, sent.arrived[0])
        else:
            facts.setdefault(sent.identity, sent)
    return [one for key, one in facts.items() if key not in retracted], retracted, valid


def objects_in(data: bytes) -> list[str]:
    """Return the JSON objects in a record of this test, whatever its frame: none has a brace in a text."""
    if data.startswith(b"\x1f\x8b"):
        data = gzip.decompress(data)
    text, found, depth, begun = data.decode(errors="replace"), [], 0, 0
    for at, character in enumerate(text):
        # Between the objects of an aggregate there is anything.
        if character == "{" and (depth or text.startswith('{"', at)):
            begun = at if depth == 0 else begun
            depth += 1
        elif character == "}" and depth:
            depth -= 1
            if depth == 0:
                found.append(text[begun : at + 1])
    return found


def is_valid(fields: Fields, at: datetime, arrived: datetime) -> bool:
    return (
        fields.get("score", 0) <= 100
        and fields.get("timezone") in ZONES
        and fields.get("interaction_type", "view") in KINDS
        and at < arrived + timedelta(minutes=5)
        and " " not in fields["user_id"]
    )


def answer(world: World, name: str, user: str | None = None) -> list[dict[str, Any]]:
    return list(run(world.stack, with_views_of(world.stack, chosen(name, None, user))))


def test_the_hardest_contents_are_those_of_the_first_answers(world: World) -> None:
    first: dict[tuple[str, str | None], dict[str, tuple[str, int]]] = defaultdict(dict)
    for one in world.interactions:
        if (score := one.fields.get("score")) is not None:
            hundredths = min(round(score * 100), 10_000 if score == 100 else 9_999)
            new = (f"{one.at:%Y-%m-%dT%H:%M}", hundredths)
            learners = first[one.fields["content_id"], one.fields.get("certification_type")]
            learners[one.fields["user_id"]] = min(new, learners.get(one.fields["user_id"], new))
    rows = answer(world, "hardest-contents")
    found = {(row["content_id"], row["certification_type"]): row for row in rows}
    assert {subject: row["learners"] for subject, row in found.items()} == {
        subject: len(learners) for subject, learners in first.items()
    }
    for subject, learners in first.items():
        rate = sum(score for _, score in learners.values()) / 10_000 / len(learners)
        assert found[subject]["correct_rate"] == pytest.approx(rate, abs=0.000501)
    rates = [row["correct_rate"] for row in rows]
    assert len(rates) > 30
    assert rates == sorted(rates)


def test_difficulty_takes_the_same_first_answers_from_the_log_whatever_the_certification_is_called(
    world: World,
) -> None:
    first: dict[str, dict[str, tuple[str, int]]] = defaultdict(dict)
    for one in world.interactions:
        if one.fields.get("certification_type") != "DVA" and (score := one.fields.get("score")) is not None:
            new = (f"{one.at:%Y-%m-%dT%H:%M}", min(round(score * 100), 10_000 if score == 100 else 9_999))
            learners = first[one.fields["content_id"]]
            learners[one.fields["user_id"]] = min(new, learners.get(one.fields["user_id"], new))
    rates = rates_of(in_log(world.stack), lambda subject: (subject[0] or "SAA", subject[1]))
    assert {subject[1]: rate for subject, rate in rates.items() if subject[0] == "SAA"} == {
        content: (
            round(sum(score for _, score in learners.values()) / 10_000 / len(learners), 3),
            len(learners),
        )
        for content, learners in first.items()
    }


def test_a_learners_interactions_and_exams_are_listed_once_by_time(world: World) -> None:
    for user in ("learner-0", "learner-7"):
        own = sorted(
            (one for one in world.facts if one.fields["user_id"] == user),
            key=lambda one: (one.at, one.fields["event_id"]),
        )
        assert len(own) > 10
        rows = answer(world, "interactions", user)
        assert rows == [
            {
                "occurred_at": f"{one.at:%Y-%m-%dT%H:%M:%S.%fZ}",
                "local_day": one.local_day if "content_id" in one.fields else None,
                "event_id": one.fields["event_id"],
                "kind": "interaction" if "content_id" in one.fields else "exam",
                "content_id": one.fields.get("content_id"),
                "interaction_type": KINDS.get(one.fields.get("interaction_type", "")),
                "certification_type": one.fields.get("certification_type"),
                "score": one.fields.get("score"),
                "time_spent": int(one.fields.get("time_spent") or 0),
                "passed": one.fields.get("passed"),
                "arrived_at": f"{one.arrived[0]:%Y-%m-%dT%H:%M:%S.%fZ}",
            }
            for one in own
        ]


def test_active_learners_are_counted_by_their_local_day(world: World) -> None:
    days: dict[str, list[str]] = defaultdict(list)
    for one in world.interactions:
        days[one.local_day].append(one.fields["user_id"])
    assert answer(world, "active-learners") == [
        {"local_day": day, "learners": len(set(users)), "interactions": len(users)}
        for day, users in sorted(days.items())
    ]


def test_late_arrivals_are_counted_by_the_day_of_arrival(world: World) -> None:
    days: dict[str, list[timedelta]] = defaultdict(list)
    for one in world.interactions:
        days[f"{one.arrived[0]:%Y-%m-%d}"].append(one.arrived[0] - one.at)
    rows = answer(world, "late-arrivals")
    assert [(row["arrived_on"], row["interactions"], row["late"]) for row in rows] == [
        (day, len(delays), sum(delay > timedelta(days=2) for delay in delays))
        for day, delays in sorted(days.items())
    ]
    for row in rows:
        longest = max(days[row["arrived_on"]]) / timedelta(days=1)
        assert row["longest_delay_days"] == pytest.approx(longest, abs=0.006)


def test_records_in_quarantine_are_counted_by_reason(world: World) -> None:
    rows = answer(world, "quarantined")
    assert {row["code"]: (row["records"], row["learners"]) for row in rows} == {
        "invalid": (4, 3),
        "malformed": (3, 0),
        "too_early": (1, 1),
        "unknown_timezone": (1, 1),
    }
    for row in rows:
        assert row["first_arrived"] <= row["last_arrived"]


def test_retractions_say_whether_the_log_has_what_they_take_back(world: World) -> None:
    arrivals: dict[tuple[str, str, str], datetime] = {}
    for one in sorted(world.everything, key=lambda one: one.arrived):
        if "retracted_on" not in one.fields:
            arrivals.setdefault(one.identity, one.arrived[0])
    found = {
        (row["user_id"], row["utc_day"], row["event_id"]): (row["retracted_at"], row["arrived_at"])
        for row in answer(world, "retractions")
    }
    assert found == {
        identity: (
            f"{at:%Y-%m-%dT%H:%M:%S.%fZ}",
            f"{arrivals[identity]:%Y-%m-%dT%H:%M:%S.%fZ}" if identity in arrivals else None,
        )
        for identity, at in world.retracted.items()
    }
    assert None in [arrived for _, arrived in found.values()]


def test_the_lines_of_a_learner_have_every_valid_event(world: World) -> None:
    found = {
        (one.interaction.user_id, one.interaction.event_id, one.arrived_at)
        for line in lines_of(world.stack, "learner-3")
        for one in read_line(line)
        if isinstance(one, Received)
    }
    own = {
        (one.fields["user_id"], one.fields["event_id"], one.arrived[0])
        for one in world.everything
        if one.fields["user_id"] == "learner-3"
    }
    assert found == own


def test_a_query_leaves_no_answer_in_the_bucket(world: World) -> None:
    answer(world, "active-learners")
    listed = world.stack.client("s3").list_objects_v2(
        Bucket=world.stack.outputs["EventLogBucket"], Prefix="queries/"
    )
    assert "Contents" not in listed


def test_the_command_prints_rows_of_the_local_stacks_own_log(stack: Deployed) -> None:
    """Its log is written by the process that `streakline up` started."""

    def ask(*arguments: str) -> list[dict[str, Any]]:
        return cast(list[dict[str, Any]], stack.streakline("query", *arguments))

    user = f"log-{secrets.token_hex(4)}"
    fields = {
        "event_id": "e1",
        "user_id": user,
        "content_id": "log-1",
        "interaction_type": "answered",
        "occurred_at": datetime.now(UTC).isoformat(),
        "score": 50,
    }
    put(stack.stack, [json.dumps(fields).encode(), b"no JSON"])
    eventually(lambda: ask("interactions", "--user", user) != [], True, 240)
    assert [(row["event_id"], row["score"]) for row in ask("interactions", "--user", user)] == [("e1", 50.0)]
    sql = f"WITH own AS (SELECT * FROM events WHERE user_id = '{user}') SELECT count(*) AS n FROM own"
    assert ask("--sql", sql) == [{"n": 1}]
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert ask("--sql", sql, "--until", "2026-01-01") == [{"n": 0}]
    assert ask("--sql", sql, "--since", today, "--until", today) == [{"n": 1}]
    failed = subprocess.run(
        [sys.executable, "-m", "cli", "query", "--sql", "SELECT * FROM nowhere"],
        cwd=REPOSITORY,
        env={**os.environ, "STREAKLINE_LOCAL": str(stack.local)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert failed.returncode == 1
    assert "the query of the event log failed" in failed.stderr


def test_firehose_calls_the_transformation_that_the_template_names(stack: Deployed) -> None:
    with second_stack(stack.stack, f"{NAME}-firehose", EventLog="on") as second:
        fields = {"event_id": "e1", "user_id": "ann", "retracted_on": "2025-11-01"}
        put(second, [json.dumps(fields).encode(), b"\xff"])
        s3, bucket = second.client("s3"), second.outputs["EventLogBucket"]
        deadline = time.monotonic() + 30
        while len(listed := s3.list_objects_v2(Bucket=bucket, Prefix="log/").get("Contents", [])) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        lines = [
            line
            for one in listed
            for line in read_object(
                s3.get_object(Bucket=bucket, Key=one["Key"])["Body"], one["Key"], one["LastModified"]
            )
        ]
        assert {(line.payload, line[5:9]) for line in lines if isinstance(line, LogLine)} == {
            (json.dumps(fields).encode(), ("ann", "e1", "2025-11-01", "retraction")),
            (b"\xff", (None, None, None, None)),
        }
