"""The replaced tracker's progress table: `streakline migrate`, and the table as a door."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from cli import manifest, migrate
from cli import stack as cli_stack
from cli.__main__ import main
from cli.stack import Stack
from domain.catalog import ContentMetadata
from functions import aws, progress_table
from functions.catalog import CatalogWriter
from functions.quarantine import BAD_ROW
from tests.integration.conftest import STREAM, Context, World, stream_event
from tests.integration.test_redrive import make_stack

TABLE = "user_progress"
LEARNERS, CONTENTS = 20, 500
"""10,000 rows. Few learners and days, because the emulation copies the whole table for each transaction."""


@pytest.fixture
def stack(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stack:
    stack = make_stack(world)
    stack.outputs["StreamName"] = STREAM
    monkeypatch.setattr(cli_stack, "connect", lambda name, region: stack)
    monkeypatch.setattr(manifest, "LOCAL", tmp_path)
    make_table(TABLE, "user_id", "content_id_certification")
    progress_table.quarantine.cache_clear()
    return stack


def make_table(name: str, hash_key: str, range_key: str) -> None:
    aws.dynamodb().create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in (hash_key, range_key)],
        KeySchema=[
            {"AttributeName": hash_key, "KeyType": "HASH"},
            {"AttributeName": range_key, "KeyType": "RANGE"},
        ],
    )


def image(number: int, **changes: Any) -> dict[str, Any]:
    """Return a row as DynamoDB has it. `changes` are attributes; None leaves one out."""
    random = Random(number)
    content = random.choice(["saa-1", "saa-2", "saa-3"])
    row: dict[str, Any] = {
        "user_id": {"S": f"learner-{number // 3}"},
        "content_id_certification": {"S": f"{content}#SAA"},
        "content_id": {"S": content},
        "certification_type": {"S": "SAA"},
        "progress_type": {"S": random.choice(["viewed", "answered", "completed"])},
        "score": random.choice([{"N": "80"}, {"N": "62.5"}, {"NULL": True}]),
        "time_spent": {"N": str(random.randrange(600))},
        "timestamp": {"S": f"2026-01-{1 + random.randrange(28):02}T{random.randrange(24):02}:15:00.000123"},
        "session_id": {"S": "s"},
        "interaction_type": {"S": random.choice(["view", "quiz", "chat", "bookmark"])},
        "additional_data": {"M": {"attempt": {"N": "1"}, "tags": {"L": [{"S": "x"}]}}},
        **changes,
    }
    return {name: value for name, value in row.items() if value is not None}


BAD_ROWS: list[dict[str, Any]] = [
    {"score": {"N": "101"}},
    {"timestamp": {"S": "yesterday"}},
    {"progress_type": {"S": "dreamt"}},
    {"content_id": {"S": "another"}},
    {"time_spent": {"N": "-5"}},
    {"content_id_certification": {"S": "no-certification"}},
]


def fill(rows: list[dict[str, Any]]) -> None:
    for start in range(0, len(rows), 25):
        requests: Any = [{"PutRequest": {"Item": row}} for row in rows[start : start + 25]]
        aws.dynamodb().batch_write_item(RequestItems={TABLE: requests})


def run(*options: str, table: str = TABLE) -> Result:
    return CliRunner().invoke(main, ["migrate", "--table", table, "--yes", *options], catch_exceptions=False)


def consume(world: World, after: int = 0) -> int:
    """Fold what is in the stream from a position on. Return where it ends."""
    records = list(stream_records())
    for start in range(after, len(records), 500):
        batch = records[start : start + 500]
        world.projector().project(stream_event(*batch, first=start + 1)["Records"])
    return len(records)


def stream_records() -> Iterator[bytes]:
    kinesis = aws.kinesis()
    [shard] = kinesis.list_shards(StreamName=STREAM)["Shards"]
    iterator = kinesis.get_shard_iterator(
        StreamName=STREAM, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    while page := kinesis.get_records(ShardIterator=iterator, Limit=10_000):
        if not page["Records"]:
            return
        yield from (record["Data"] for record in page["Records"])
        iterator = page["NextShardIterator"]


def views(world: World) -> dict[Any, Any]:
    """Return the items of all learners."""
    return {key: item for key, item in world.items().items() if key[0].startswith("USER#")}


def test_10_000_rows_are_migrated_twice_to_the_same_views_and_each_bad_row_is_listed(
    world: World, stack: Stack
) -> None:
    many = [ContentMetadata(f"c-{n}", "Storage") for n in range(CONTENTS)]
    CatalogWriter(world.store).update({"SAA": many}, 1)
    bad = [image(3 * n, user_id={"S": f"bad-{n}"}, **BAD_ROWS[n % len(BAD_ROWS)]) for n in range(60)]
    rows = [
        image(
            learner * CONTENTS + content,
            user_id={"S": f"learner-{learner}"},
            content_id={"S": f"c-{content}"},
            content_id_certification={"S": f"c-{content}#SAA"},
            timestamp={"S": f"2026-01-0{1 + content % 5}T12:{content % 60:02}:00"},
        )
        for learner in range(LEARNERS)
        for content in range(CONTENTS)
    ]
    fill([*rows, *bad])
    summary = json.loads(run("--skip-bad", "--json").stdout)
    assert (summary["rows"], summary["emitted"]) == (10_060, 10_000)
    assert [row["user_id"] for row in summary["bad"]] == sorted(f"bad-{n}" for n in range(60))
    assert all(row["faults"][0]["attribute"] for row in summary["bad"])
    end = consume(world)
    first = views(world)
    states = [world.store.read_state(f"learner-{n}") for n in range(LEARNERS)]
    assert [state and state.total.interactions for state in states] == [CONTENTS] * LEARNERS
    assert json.loads(run("--skip-bad", "--json").stdout) == summary
    assert consume(world, end) == 20_000
    assert views(world) == first


def test_nothing_is_emitted_while_a_row_is_bad_unless_that_is_asked_for(world: World, stack: Stack) -> None:
    fill([image(1), image(4, score={"N": "101"})])
    refused = run()
    assert refused.exit_code == 1
    assert "user_progress: learner-1, " in refused.output
    assert "score: Input should be less than or equal to 100" in refused.output
    assert "Nothing was emitted" in refused.output
    listed = run("--dry-run")
    assert listed.exit_code == 0
    assert "2 rows read: 1 interactions, 1 bad rows" in listed.output
    assert list(stream_records()) == []
    assert "1 emitted" in run("--skip-bad").output
    assert len(list(stream_records())) == 1


def test_contents_that_the_catalog_does_not_know_are_told(world: World, stack: Stack) -> None:
    place = {"content_id": {"S": "new"}, "content_id_certification": {"S": "new#SAA"}}
    fill([image(1, **place)])
    assert "The catalog does not know 1 of the contents. 1 interactions with them" in run("--dry-run").output
    assert json.loads(run("--dry-run", "--json").stdout)["unknown_contents"] == [["SAA", "new"]]


def test_unknown_contents_are_told_before_anything_is_emitted(world: World, stack: Stack) -> None:
    assert stack.endpoint_url is None, "on AWS, the command asks before it emits"
    place = {"content_id": {"S": "new"}, "content_id_certification": {"S": "new#SAA"}}
    fill([image(1, **place), image(4)])
    stopped = CliRunner().invoke(main, ["migrate", "--table", TABLE], input="n\n")
    assert stopped.exit_code == 1
    assert stopped.output.index("does not know 1 of the contents") < stopped.output.index("Go on?")
    assert list(stream_records()) == []


def test_a_long_list_of_bad_rows_is_cut_unless_it_was_asked_for(world: World, stack: Stack) -> None:
    count = migrate.MAX_LISTED + 7
    fill([image(3 * number, score={"N": "101"}) for number in range(count)])
    refused = run().output
    assert refused.count("user_progress: learner-") == migrate.MAX_LISTED
    assert "and 7 more bad rows; --dry-run lists all" in refused
    listed = run("--dry-run").stdout
    assert all(f"user_progress: learner-{number}, " in listed for number in range(count))
    assert "more bad rows" not in listed
    assert len(json.loads(run("--dry-run", "--json").stdout)["bad"]) == count


def throttle(monkeypatch: pytest.MonkeyPatch, times: int) -> list[int]:
    """Let DynamoDB refuse the first scans. Return the segments of those that it has refused so far."""
    monkeypatch.setattr(migrate, "pause", lambda _: None)
    client, refused = aws.dynamodb(), list[int]()

    class Throttling:
        def __getattr__(self, name: str) -> Any:
            return getattr(client, name)

        def scan(self, **where: Any) -> Any:
            if len(refused) < times:
                refused.append(where["Segment"])
                raise ClientError({"Error": {"Code": "ProvisionedThroughputExceededException"}}, "Scan")
            return client.scan(**where)

    connect = Stack.client
    monkeypatch.setattr(
        Stack, "client", lambda self, name: Throttling() if name == "dynamodb" else connect(self, name)
    )
    return refused


def test_a_scan_that_is_throttled_waits_and_reads_everything(
    world: World, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill([image(3 * number) for number in range(30)])
    refused = throttle(monkeypatch, 7)
    assert "30 emitted" in run().stdout
    assert len(refused) == 7


def test_a_scan_that_stays_throttled_ends_with_a_message(
    world: World, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill([image(1)])
    throttle(monkeypatch, 10_000)
    result = run()
    assert result.exit_code == 1
    assert "DynamoDB keeps throttling the scan of user_progress. Nothing was emitted." in result.output
    assert list(stream_records()) == []


def test_another_table_or_none_is_refused(world: World, stack: Stack) -> None:
    assert "there is no table nowhere" in run(table="nowhere").output
    make_table("orders", "order_id", "line")
    result = run(table="orders")
    assert result.exit_code == 1
    assert "its keys are order_id and line and not user_id and content_id_certification" in result.output


def change(number: int, row: dict[str, Any], name: str = "INSERT") -> dict[str, Any]:
    """Return a record of the table's stream."""
    keys = {key: row[key] for key in ("user_id", "content_id_certification")}
    body = {"ApproximateCreationDateTime": 1772366400.0, "Keys": keys, "SequenceNumber": str(number)}
    if name != "REMOVE":
        body["NewImage"] = row
    return {"eventID": f"change-{number}", "eventName": name, "dynamodb": body}


def deliver(*changes: dict[str, Any]) -> None:
    progress_table.handler({"Records": list(changes)}, Context())


def test_a_row_that_comes_through_the_door_and_through_a_migration_counts_once(
    world: World, stack: Stack
) -> None:
    row = image(1)
    fill([row])
    deliver(change(1, row))
    deliver(change(1, row))
    run()
    assert len(list(stream_records())) == 3
    consume(world)
    [state] = [world.store.read_state("learner-0")]
    assert state is not None
    assert state.total.interactions == 1


def test_an_update_is_another_interaction_and_a_deletion_none(world: World, stack: Stack) -> None:
    row = image(1)
    later = image(1, timestamp={"S": "2026-02-01T09:00:00"}, progress_type={"S": "completed"})
    deliver(change(1, row), change(2, later, "MODIFY"), change(3, later, "REMOVE"))
    consume(world)
    state = world.store.read_state("learner-0")
    assert state is not None
    assert state.total.interactions == 2


def test_a_bad_row_goes_to_quarantine_and_its_neighbours_pass(world: World, stack: Stack) -> None:
    deliver(change(1, image(1, score={"N": "101"})), change(2, image(4)))
    [message] = world.quarantined()
    assert (message["code"], message["door"]) == (BAD_ROW, "table")
    assert message["position"] == {"shard": "progress-table", "sequence_number": "change-1"}
    assert message["faults"] == [{"field": "score", "message": "Input should be less than or equal to 100"}]
    assert len(list(stream_records())) == 1


def test_a_bad_row_can_be_redriven_once_it_is_none(
    world: World, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = image(1, timestamp={"S": "2026-03-01T23:00:00"})
    deliver(change(1, ahead))
    redriven = CliRunner().invoke(main, ["redrive"], catch_exceptions=False)
    assert "1" in redriven.output
    [record] = map(json.loads, stream_records())
    assert record["occurred_at"] == "2026-03-01T23:00:00+00:00"


def test_rows_that_the_stream_does_not_take_fail_the_event_so_that_it_comes_again(
    world: World, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.stream.time.sleep", lambda _: None)
    monkeypatch.setattr(
        aws.kinesis(),
        "put_records",
        lambda StreamName, Records: {"Records": [{"ErrorCode": "Throttled"} for _ in Records]},
    )
    with pytest.raises(TimeoutError, match="did not take 1 of 1 rows"):
        deliver(change(1, image(1)))


def test_a_stream_without_new_images_fails_loudly(world: World, stack: Stack) -> None:
    record = change(1, image(1), "MODIFY")
    del record["dynamodb"]["NewImage"]
    with pytest.raises(ValueError, match="needs the view type NEW_IMAGE"):
        deliver(record)


def test_the_sample_event_has_a_row_a_bad_row_and_a_deletion(world: World, stack: Stack) -> None:
    sample = Path(__file__).parents[2] / "events" / "progress_table_stream.json"
    progress_table.handler(json.loads(sample.read_text()), Context())
    assert len(list(stream_records())) == 1
    assert [message["code"] for message in world.quarantined()] == [BAD_ROW]
