"""Rebuilding a generation from the event log: what it makes, what it reports, and what it refuses to do."""

import gzip
import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import domain.rebuilding
from domain.generations import Epoch, to_text
from domain.learner import Learner
from domain.retraction import Retraction
from functions import aws, items
from functions.catalog_copy import copy_catalog
from functions.generations import LIVE
from functions.project import Projector
from functions.rebuild_runs import LatestRun, Runs
from functions.replay import GenerationIsLive, Stuck, Superseded
from functions.store import Store
from tests.integration.conftest import (
    ARRIVAL,
    BUCKET,
    CONTROL,
    GREEN,
    VIEWS,
    World,
    interaction,
    stream_event,
)
from tests.integration.rebuilds import Rebuild, items_of, lines, put_object

PEOPLE = ("ann", "bob", "cid", "dan")


def history(days: int = 5) -> list[dict[str, Any]]:
    return [
        interaction(
            f"{who}-{day}",
            user_id=who,
            content_id=("saa-1", "saa-2", "saa-3", "dva-1")[day % 4],
            interaction_type=("completed", "answered")[day % 2],
            occurred_at=f"2026-{1 + day // 28:02}-{1 + day % 28:02}T09:00:00Z",
        )
        for day in range(days)
        for who in PEOPLE
    ]


@pytest.fixture
def both(world: World) -> World:
    return world


def test_a_rebuild_makes_the_same_views_and_announces_nothing(both: World) -> None:
    records = history()
    both.project(*records)
    put_object("log/2026/03/02/a", lines(*records[:7]))
    put_object("log/2026/03/02/b", lines(*records[7:], first=7))
    report = Rebuild().begin().to_the_end()
    assert items_of(GREEN) == items_of(VIEWS)
    assert (report.lines, report.learners, report.applied, report.duplicates) == (20, 4, 20, 0)
    awards = [i for i in aws.dynamodb().scan(TableName=GREEN)["Items"] if i["sk"]["S"].startswith("EARNED#")]
    assert awards
    assert all("silent" in award for award in awards)


def test_duplicated_objects_and_lines_count_once(both: World) -> None:
    records = history()
    both.project(*records)
    for name in "abc":
        put_object(f"log/2026/03/02/{name}", lines(*records, *records[:3]))
    report = Rebuild().begin().to_the_end()
    assert items_of(GREEN) == items_of(VIEWS)
    assert (report.applied, report.duplicates) == (20, 49)


def test_bad_objects_and_lines_are_listed_and_the_others_are_folded(both: World) -> None:
    records = history()
    both.project(*records)
    put_object("log/2026/03/02/a", lines(*records, b"nonsense", interaction("x", user_id="no one")))
    aws.s3().put_object(Bucket=BUCKET, Key="log/2026/03/02/picture.png", Body=b"\x89PNG\r\n\x1a\n\0\0")
    whole = gzip.compress(b"".join(b'{"event_id": "%d"}\n' % n for n in range(5000)))
    aws.s3().put_object(Bucket=BUCKET, Key="log/2026/03/02/truncated", Body=whole[:-20])
    report = Rebuild().begin().to_the_end()
    assert items_of(GREEN) == items_of(VIEWS)
    assert any("picture.png" in bad for bad in report.bad)
    assert any("truncated" in bad for bad in report.bad)
    assert report.refused["malformed"] == 1
    assert report.refused["invalid"] > 1
    assert report.applied == 20


def test_an_object_that_disappears_is_listed_and_nothing_else_is_lost(both: World) -> None:
    records = history()
    both.project(*records)
    put_object("log/2026/03/02/a", lines(*records))
    put_object("log/2026/03/02/gone", lines(records[0]))

    def remove(item: dict[str, str]) -> None:
        if "partition" in item["step"]:
            aws.s3().delete_object(Bucket=BUCKET, Key="log/2026/03/02/gone")

    report = Rebuild().begin().to_the_end(remove)
    assert report.gone == ("log/2026/03/02/gone",)
    assert items_of(GREEN) == items_of(VIEWS)


def test_what_firehose_could_not_transform_is_replayed_too(both: World) -> None:
    records = history()
    both.project(*records)
    put_object("log/2026/03/02/a", lines(*records[2:]))
    error = {
        "rawData": b64encode("\n".join(map(json.dumps, records[:2])).encode()).decode(),
        "arrivalTimestamp": int(ARRIVAL.timestamp() * 1000),
    }
    key = "log-errors/processing-failed/2026/03/02/a"
    aws.s3().put_object(Bucket=BUCKET, Key=key, Body=json.dumps(error).encode())
    Rebuild().begin().to_the_end()
    assert items_of(GREEN) == items_of(VIEWS)


def test_a_retraction_counts_wherever_it_stands_in_the_log(both: World) -> None:
    records = history()
    put_object("log/2026/03/02/a", lines(*records))
    retraction = {"event_id": "ann-1", "user_id": "ann", "retracted_on": "2026-01-02"}
    put_object("log/2026/03/02/b", lines(retraction))
    Rebuild().begin().to_the_end()
    both.project(retraction, *records)
    assert items_of(GREEN) == items_of(VIEWS)


def test_the_time_of_arrival_decides_what_was_too_early(both: World) -> None:
    early = interaction("early", occurred_at=(ARRIVAL + timedelta(minutes=10)).isoformat())
    put_object("log/2026/03/02/a", lines(early))
    report = Rebuild().begin().to_the_end()
    assert report.refused == {"too_early": 1}


def test_learners_with_many_days_are_folded_without_a_late_write(both: World) -> None:
    records = [one for one in history(250) if one["user_id"] == "ann"]
    put_object("log/2026/11/02/a", lines(*records, at=datetime(2026, 11, 2, tzinfo=UTC)))
    both.calls.clear()
    Rebuild().begin().to_the_end()
    calls = [params["TransactItems"] for name, params in both.calls if name == "TransactWriteItems"]
    commits = [call for call in calls if "Put" in call[0] and call[0]["Put"]["Item"]["sk"]["S"] == "STATE"]
    # 250 local days and 250 UTC days, 80 of them in a commit.
    assert len(commits) == 7
    assert both.operations().count("PutItem") < 20
    projector = both.projector()
    for record in records:
        projector.project([{**r} for r in _stream(record)])
    green = items_of(GREEN)
    for key, item in items_of(VIEWS).items():
        if not key[1].startswith(("EARNED#", "HELD#")):
            assert green[key] == item


def _stream(record: dict[str, Any]) -> list[dict[str, Any]]:
    [one] = stream_event(record)["Records"]
    one["kinesis"]["approximateArrivalTimestamp"] = datetime(2026, 11, 2, tzinfo=UTC).timestamp()
    return [one]


# -- what the log does not have ------------------------------------------------------------------------


def test_an_award_that_no_rule_gives_any_more_is_taken_along(both: World) -> None:
    records = history()
    both.project(*records)
    put_object("log/2026/03/02/a", lines(*records[4:]))
    before = {key for key in items_of(VIEWS) if key[1].startswith("EARNED#")}
    report = Rebuild().begin().to_the_end()
    after = items_of(GREEN)
    assert before <= after.keys()
    for key in before:
        assert after[key] == items_of(VIEWS)[key], "with the time at which it was earned"
    assert report.awards == len(before)
    ann = both.store.read_state("ann")
    assert ann is not None
    green = Rebuild().replay().stores["green"].read_state("ann")
    assert green is not None
    assert green.earned >= ann.earned


def test_the_tombstone_of_an_erased_learner_is_taken_along_and_drops_what_the_log_has(both: World) -> None:
    records = history()
    put_object("log/2026/03/02/a", lines(*records))
    _write(VIEWS, Learner("ann", 3, erased_at=1_772_000_000_000_000))
    report = Rebuild().begin().to_the_end()
    assert (report.tombstones, report.erased) == (1, 5)
    assert [sk for pk, sk in items_of(GREEN) if pk == "USER#ann"] == ["STATE"]
    assert items_of(GREEN)["USER#ann", "STATE"] == items_of(VIEWS)["USER#ann", "STATE"]


def test_what_came_before_a_new_start_stays_dropped(both: World) -> None:
    records = [one for one in history() if one["user_id"] == "ann"]
    start = int(datetime(2026, 1, 3, tzinfo=UTC).timestamp() * 1_000_000)
    _write(VIEWS, Learner("ann", 3, starts_at=start))
    both.project(*records)
    put_object("log/2026/03/02/a", lines(*records))
    # The other generation's consumer has already applied some of it.
    _green_consumes(both, *records[:1])
    rebuild = Rebuild().begin()
    rebuild.to_the_end()
    assert items_of(GREEN) == items_of(VIEWS)
    # Meanwhile the consumer may have dropped something that the log did not have yet.
    assert 3590 < sum(rebuild.waited) <= 3600


def test_a_retraction_that_the_log_lacks_is_taken_along(both: World) -> None:
    records = history()
    retraction = Retraction("ann-1", "ann", 9498)
    both.project({"event_id": "ann-1", "user_id": "ann", "retracted_on": "2026-01-02"}, *records)
    assert both.store.read_applied("ann", [9498])[9498] == {retraction.digest}
    put_object("log/2026/03/02/a", lines(*records))
    Rebuild().begin().to_the_end()
    assert items_of(GREEN) == items_of(VIEWS)


# -- beside the generation's own consumer --------------------------------------------------------------


def _green_consumes(world: World, *records: dict[str, Any]) -> None:
    stores = Rebuild().replay().stores
    if not stores["green"].head().version:
        copy_catalog(Store(aws.dynamodb(), VIEWS), Store(aws.dynamodb(), GREEN))
    Projector(stores["green"], world.quarantine, was_live=lambda _: False).project(
        stream_event(*records)["Records"]
    )


def test_the_consumer_may_write_before_and_between_the_steps(both: World) -> None:
    records = history(30)
    both.project(*records)
    put_object("log/2026/03/02/a", lines(*records[:110]))
    left = [records[80:100], records[100:]]
    for some in records[90:95], records[110:]:
        _green_consumes(both, *some)

    def consume(item: dict[str, str]) -> None:
        if left:
            _green_consumes(both, *left.pop())

    Rebuild().begin().to_the_end(consume)
    green, live = items_of(GREEN), items_of(VIEWS)
    assert green == live


# -- steps -----------------------------------------------------------------------------------------


def test_invocations_that_run_out_of_time_go_on_where_they_stopped(both: World) -> None:
    records = [
        interaction(f"e{n}", user_id=f"learner-{n:03}", occurred_at="2026-03-01T09:00:00Z")
        for n in range(250)
    ]
    both.project(*records)
    put_object("log/2026/03/02/a", lines(*records))
    report = Rebuild(time_left=lambda: 0.0).begin().to_the_end()
    assert (report.learners, report.applied, report.duplicates) == (250, 250, 0)
    assert items_of(GREEN) == items_of(VIEWS)


def test_doing_every_item_twice_changes_nothing(both: World) -> None:
    records = history()
    both.project(*records)
    put_object("log/2026/03/02/a", lines(*records))
    rebuild = Rebuild().begin()
    report = rebuild.to_the_end(lambda item: rebuild.replay().work(item["step"], item["item"], lambda: 900))
    assert items_of(GREEN) == items_of(VIEWS)
    assert report.applied == 20


def test_files_with_lines_are_deleted_once_they_are_folded(both: World) -> None:
    put_object("log/2026/03/02/a", lines(*history()))
    rebuild = Rebuild().begin()
    rebuild.to_the_end()
    assert list(rebuild.files.list(f"{rebuild.files.root}lines/")) == []


def test_lines_are_divided_in_several_passes_if_there_are_very_many(
    both: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(domain.rebuilding, "PARTITION_BYTES", 20)
    monkeypatch.setattr(domain.rebuilding, "BITS_PER_LEVEL", 2)
    monkeypatch.setattr("functions.replay_lines.BITS_PER_LEVEL", 2)
    monkeypatch.setattr(domain.rebuilding, "BATCH_OBJECTS", 2)
    records = [
        interaction(f"e{n}", user_id=f"learner-{n:03}", occurred_at="2026-03-01T09:00:00Z") for n in range(60)
    ]
    both.project(*records)
    for n in range(6):
        put_object(f"log/2026/03/02/{n}", lines(*records[10 * n : 10 * n + 10], first=10 * n))
    steps: set[str] = set()
    rebuild = Rebuild().begin()
    report = rebuild.to_the_end(lambda item: steps.add(item["step"]))
    assert {"1-partition-1", "1-partition-2", "1-partition-3", "1-fold-1"} <= steps
    assert (report.lines, report.applied) == (60, 60)
    assert items_of(GREEN) == items_of(VIEWS)
    assert list(rebuild.files.list(f"{rebuild.files.root}lines/")) == []


def test_the_log_is_listed_again_until_it_covers_the_begin_of_the_consumer_and_an_hour(both: World) -> None:
    records = history()
    both.project(*records)
    put_object("log/2026/03/02/a", lines(*records[:10]))
    rebuild = Rebuild(since=int(datetime.now(UTC).timestamp())).begin()

    def deliver(item: dict[str, str]) -> None:
        if item["step"] == "1-fold-1":
            put_object(f"log/{datetime.now(UTC):%Y/%m/%d}/b", lines(*records[10:], first=10))

    rebuild.to_the_end(deliver)
    assert 3590 < sum(rebuild.waited) <= 3600
    assert max(rebuild.waited) == 300
    assert items_of(GREEN) == items_of(VIEWS)


def test_a_step_whose_items_fail_again_and_again_fails_with_a_reason(both: World) -> None:
    put_object("log/2026/03/02/a", lines(*history()))
    rebuild = Rebuild().begin()
    for _ in range(3):
        assert rebuild.replay().plan("green")["next"] == "work"
    with pytest.raises(Stuck, match="2 of 2 items of the step 0-copy-1 failed 3 times"):
        rebuild.replay().plan("green")


# -- what must not be written ----------------------------------------------------------------------------


def _write(table: str, learner: Learner) -> None:
    aws.dynamodb().put_item(TableName=table, Item=items.state_item(learner))


def make_green_live(since: datetime) -> None:
    epochs = to_text([Epoch("blue", 0), Epoch("green", int(since.timestamp() * 1000))])
    aws.dynamodb().put_item(TableName=CONTROL, Item={**LIVE, "epochs": {"S": epochs}})


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(seconds=9)])
def test_a_rebuild_never_writes_to_a_generation_that_is_or_becomes_live(
    both: World, ahead: timedelta
) -> None:
    put_object("log/2026/03/02/a", lines(*history()))
    rebuild = Rebuild().begin()
    planned = rebuild.replay().plan("green")
    [item, *_] = json.loads(rebuild.files.read(planned["items"]) or b"")
    make_green_live(datetime.now(UTC) + ahead)
    with pytest.raises(GenerationIsLive):
        rebuild.replay().work(item["step"], item["item"], lambda: 900)
    with pytest.raises(GenerationIsLive):
        rebuild.replay().plan("green")
    assert items_of(GREEN) == {}


def test_a_rebuild_writes_nothing_after_another_one_has_begun(both: World) -> None:
    put_object("log/2026/03/02/a", lines(*history()))
    rebuild = Rebuild().begin()
    planned = rebuild.replay().plan("green")
    [item, *_] = json.loads(rebuild.files.read(planned["items"]) or b"")
    Rebuild(run="run-2").begin()
    with pytest.raises(Superseded):
        rebuild.replay().work(item["step"], item["item"], lambda: 900)
    with pytest.raises(Superseded):
        rebuild.replay().plan("green")
    assert items_of(GREEN) == {}


def test_only_one_of_two_rebuilds_begins(both: World) -> None:
    runs = Runs(aws.dynamodb(), CONTROL)
    assert runs.begin(LatestRun("a", "green", 1), None)
    assert not runs.begin(LatestRun("b", "green", 2), None)
    assert runs.latest() == LatestRun("a", "green", 1)
    runs.finish(LatestRun("a", "green", 1), 5)
    assert runs.latest() == LatestRun("a", "green", 1, 5)
    assert runs.begin(LatestRun("c", "green", 6), LatestRun("a", "green", 1, 5))
    assert not runs.begin(LatestRun("d", "green", 6), LatestRun("a", "green", 1, 5))
