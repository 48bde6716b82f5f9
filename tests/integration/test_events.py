"""The payloads in events/: each ends as events/invocations.toml says, and is what it is named for.

`make invoke` sends the same payloads through `sam local invoke`.
"""

import json
import tomllib
from base64 import b64decode
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from functions import (
    announce,
    aws,
    catalog,
    docs,
    erase,
    erasure_pass,
    export,
    exports,
    ingest,
    log,
    page,
    progress_table,
    project,
    rarity,
    read,
    replay,
)
from functions.outcome import Outcome
from tests.faults import client_error
from tests.integration.conftest import BUS, VIEWS, Context, World, streamed
from tests.integration.template import TEMPLATE, template

EVENTS = TEMPLATE.parent / "events"
INVOCATIONS: list[dict[str, Any]] = tomllib.loads((EVENTS / "invocations.toml").read_text())["invocation"]
HANDLERS: dict[str, Callable[..., Any]] = {
    "AnnounceFunction": announce.handler,
    "CatalogFunction": catalog.handler,
    "DocsFunction": docs.handler,
    "EraseFunction": erase.handler,
    "ErasurePassFunction": erasure_pass.handler,
    "ExportFunction": export.handler,
    "ExportsFunction": exports.handler,
    "IngestFunction": ingest.handler,
    "LogFunction": log.handler,
    "PageFunction": page.handler,
    "ProgressTableFunction": progress_table.handler,
    "ProjectFunction": project.handler,
    "RarityFunction": rarity.handler,
    "ReadFunction": read.handler,
    "ReplayFunction": replay.handler,
}


class Functions:
    """Lambda, as far as the functions call it."""

    def invoke(self, **_: Any) -> None:
        """Take an invocation."""


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    monkeypatch.setattr(aws, "functions", Functions)
    monkeypatch.setenv("RULE_DEAD_LETTERS_URL", world.queue_url)
    erasure_pass.the_pass.cache_clear()
    for name in ("CLIENT_ID", "FORM_URL", "AUTHORIZE_URL", "TOKEN_URL", "SIGN_OUT_URL"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("SIGN_IN", "none")


def payload(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((EVENTS / name).read_text())
    return loaded


def throttle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer every call to AWS that there are too many."""
    for client in (aws.dynamodb(), aws.kinesis(), aws.sqs(), aws.s3(), aws.eventbridge()):

        def refuse(operation: str, *_: Any, **__: Any) -> Any:
            raise client_error("ThrottlingException", operation)

        monkeypatch.setattr(client, "_make_api_call", refuse)
    for module in (announce, rarity):
        monkeypatch.setattr(module.time, "sleep", lambda _: None)


def outcome_of(answer: Any) -> Any:
    """Return what an answer is called in events/invocations.toml."""
    if answer is None:
        return "done"
    if "records" in answer:
        return [record["result"] for record in answer["records"]]
    return answer.get("statusCode", "done")


@pytest.mark.parametrize(
    "invocation",
    INVOCATIONS,
    ids=lambda one: f"{one['function']}-{one['event']}{'-throttled' if 'throttled' in one else ''}",
)
def test_a_payload_ends_as_it_should(
    world: World, monkeypatch: pytest.MonkeyPatch, invocation: dict[str, Any]
) -> None:
    handler, event = HANDLERS[invocation["function"]], payload(invocation["event"])
    if invocation.get("throttled"):
        throttle(monkeypatch)
    if invocation["outcome"] == "fails":
        with pytest.raises(
            Exception, match=r"Throttling|parts of the batch|refused|not counted|contended|is live"
        ):
            handler(event, Context())
    else:
        assert outcome_of(handler(event, Context())) == invocation["outcome"]


def test_every_function_has_a_payload_and_every_payload_a_function() -> None:
    declared = {
        name: one["Properties"]
        for name, one in template()["Resources"].items()
        if one["Type"] == "AWS::Serverless::Function"
    }
    invoked = {one["function"] for one in INVOCATIONS}
    # The green generation's consumer is the same code.
    handlers = {one["Handler"] for one in declared.values()}
    assert {declared[name]["Handler"] for name in invoked} == handlers
    payloads = {path.name for path in EVENTS.glob("*.json")}
    assert {one["event"] for one in INVOCATIONS} == {name for name in payloads if not name.startswith("bus_")}


def test_every_function_that_reads_a_batch_meets_poison_duplicates_emptiness_and_throttling() -> None:
    batches = {one["function"] for one in INVOCATIONS if not one["event"].startswith(("api_", "e", "replay"))}
    without_calls = {"LogFunction"}  # it calls nothing, so nothing throttles it
    for function in batches:
        events = {one["event"] for one in INVOCATIONS if one["function"] == function}
        # Rarity reads keys, and takes any.
        kinds = (
            ("duplicate", "no_records")
            if function == "RarityFunction"
            else ("poison", "duplicate", "no_records")
        )
        for kind in kinds:
            assert any(kind in event for event in events), (function, kind)
        throttled = any(one.get("throttled") for one in INVOCATIONS if one["function"] == function)
        assert throttled == (function not in without_calls), function


# -- what the payloads are named for ------------------------------------------------------------------------


def projected(world: World, name: str) -> Outcome:
    catalog.handler(payload("content_stream.json"), Context())
    return world.projector().project(payload(name)["Records"])


def test_poison_is_all_quarantined_and_the_record_behind_it_is_applied(world: World) -> None:
    outcome = projected(world, "kinesis_poison.json")
    assert outcome.applied == 1
    codes = Counter(message["code"] for message in world.quarantined())
    assert codes.keys() == {"malformed", "invalid", "unknown_timezone", "unknown_content"}
    assert codes.total() == len(payload("kinesis_poison.json")["Records"]) - 1


def test_duplicates_count_once_for_each_learner(world: World) -> None:
    outcome = projected(world, "kinesis_duplicate.json")
    assert (outcome.applied, outcome.duplicates, outcome.quarantined) == (2, 5, [])
    again = projected(world, "kinesis_duplicate.json")
    assert (again.applied, again.duplicates) == (0, 7)


def test_records_without_interactions_apply_nothing(world: World) -> None:
    outcome = projected(world, "kinesis_empty.json")
    assert outcome.applied == 0
    assert {len(b64decode(one["kinesis"]["data"])) for one in payload("kinesis_empty.json")["Records"]} >= {
        0,
        2,
    }
    assert not [sk for pk, sk in world.items() if pk.startswith("USER#")]


def test_a_throttled_batch_is_applied_when_it_comes_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.handler(payload("content_stream.json"), Context())
    event = payload("kinesis_throttled.json")
    with monkeypatch.context() as throttled:
        throttle(throttled)
        with pytest.raises(Exception, match="Throttling"):
            project.handler(event, Context())
    outcome = world.projector().project(event["Records"])
    assert (outcome.applied, outcome.duplicates) == (len(event["Records"]), 0)


def test_poisoned_content_costs_its_values_or_itself_and_never_its_neighbours(world: World) -> None:
    catalog.handler(payload("content_poison.json"), Context())
    stored = world.store.catalog(world.projector().catalog, world.store.head())
    contents = stored.certifications["SAA"].by_id.keys()
    assert {"saa-1-02", "saa-1-03", "saa-1-04"} <= contents
    assert "has blanks and #" not in contents


def test_of_poisoned_awards_only_the_good_one_is_announced(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    published: list[Any] = []
    monkeypatch.setattr(
        announce, "put_events", lambda _, bus, some: published.extend((bus, one) for one in some)
    )
    announce.handler(payload("awards_poison.json"), Context())
    assert [(bus, one.achievement_id) for bus, one in published] == [(BUS, "streak-3")]


def test_an_award_that_is_delivered_twice_is_counted_once(world: World) -> None:
    image = payload("awards_stream.json")["Records"][0]["dynamodb"]["NewImage"]
    aws.dynamodb().put_item(TableName=VIEWS, Item=image)
    rarity.handler(payload("awards_duplicate.json"), Context())
    rarity.handler(payload("awards_stream.json"), Context())
    held = [
        item for (pk, sk), item in world.items().items() if pk == "RARITY" and sk.startswith("HELD#streak-3#")
    ]
    assert [item["learners"]["N"] for item in held] == ["1"]
    assert payload("awards_stream.json")["Records"][0]["eventSourceARN"].split("/")[1] == VIEWS


def test_of_poisoned_rows_the_good_one_is_emitted_and_the_others_wait(world: World) -> None:
    progress_table.handler(payload("progress_table_poison.json"), Context())
    records = payload("progress_table_poison.json")["Records"]
    deleted = [one for one in records if one["eventName"] == "REMOVE"]
    good = streamed()
    assert len(good) >= 1
    assert len(good) + len(world.quarantined()) + len(deleted) == len(records)


def test_a_row_that_is_delivered_twice_is_one_interaction(world: World) -> None:
    progress_table.handler(payload("progress_table_duplicate.json"), Context())
    assert len({one["event_id"] for one in streamed()}) == 1


@pytest.mark.parametrize("name", ["api_interaction.json", "api_interactions.json", "api_duplicate.json"])
def test_a_posted_sample_is_of_the_learner_in_its_token(name: str) -> None:
    ingest.handler(payload(name), Context())
    assert {record["user_id"] for record in streamed()} == {"sample-learner"}


def test_a_duplicate_post_is_one_interaction(world: World) -> None:
    ingest.handler(payload("api_duplicate.json"), Context())
    posted = streamed()
    assert len(posted) == 2
    assert len({one["event_id"] for one in posted}) == 1


def test_a_poisoned_post_is_answered_field_by_field(world: World) -> None:
    answer = json.loads(ingest.handler(payload("api_poison.json"), Context())["body"])
    fields = {fault["field"] for fault in answer["error"]["faults"]}
    assert fields >= {"event_id", "content_id", "interaction_type", "occurred_at", "score", "time_spent"}
    assert streamed() == []


def test_a_throttled_reader_is_told_when_to_try_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    throttle(monkeypatch)
    answer = read.handler(payload("api_dashboard.json"), Context())
    assert answer["headers"]["Retry-After"]


def test_the_log_keeps_poison_as_it_came(world: World) -> None:
    event = payload("firehose_poison.json")
    text = b"".join(b64decode(one["data"]) for one in HANDLERS["LogFunction"](event, Context())["records"])
    assert text.count(b"\n") >= len(event["records"])
