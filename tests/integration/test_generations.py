"""A consumer of a generation that is not live: what it keeps to itself, and what it waits for."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.catalog import ContentMetadata
from domain.generations import FIRST, Epoch, to_text
from functions import aws, items
from functions.catalog import CatalogWriter
from functions.generations import CACHED_SECONDS, LIVE, Generations
from functions.project import Projector
from functions.quarantine import Quarantine
from tests.integration.conftest import ARRIVAL, CATALOG_TIME, CONTROL, VIEWS, World, interaction, stream_event


def consumer(world: World, *, live_from: datetime | None) -> Projector:
    """Return the consumer of a generation that becomes live at a time, or never."""
    return Projector(
        world.store,
        Quarantine(aws.sqs, aws.s3, world.queue_url, "event-log"),
        was_live=lambda at: live_from is not None and at >= live_from,
        live_catalog=world.store.full_catalog,
    )


def awards(world: World) -> Iterator[Any]:
    return (item for (_, sk), item in world.items().items() if sk.startswith(items.AWARD_PREFIX))


def test_a_consumer_that_is_not_live_quarantines_nothing_and_awards_silently(world: World) -> None:
    outcome = consumer(world, live_from=None).project(
        stream_event(interaction("a", interaction_type="completed"), b"{")["Records"]
    )
    assert (outcome.applied, [entry.code for entry in outcome.quarantined]) == (1, ["malformed"])
    assert world.quarantined() == []
    assert [item["silent"] for item in awards(world)] == [{"BOOL": True}]


def test_what_arrived_when_a_generation_was_live_is_quarantined_and_announced(world: World) -> None:
    outcome = consumer(world, live_from=ARRIVAL).project(
        stream_event(interaction("a", interaction_type="completed"), b"{")["Records"]
    )
    assert outcome.applied == 1
    assert len(world.quarantined()) == 1
    assert ["silent" in item for item in awards(world)] == [False]


def test_content_that_only_the_live_catalog_knows_is_waited_for(world: World) -> None:
    projector = consumer(world, live_from=None)
    catalog = world.store.full_catalog()
    projector.live_catalog = lambda: catalog.__class__(
        {**catalog.certifications, "SAA": catalog.certifications["DVA"]}
    )
    batch = stream_event(interaction("a", content_id="dva-1", certification_type="SAA"))["Records"]
    with pytest.raises(ExceptionGroup) as failure:
        projector.project(batch)
    assert "CatalogLags" in repr(failure.value)
    CatalogWriter(world.store).update({"SAA": [ContentMetadata("dva-1", "Deployment")]}, CATALOG_TIME + 1)
    assert projector.project(batch).applied == 1


def test_the_live_generation_is_read_again_after_five_seconds(world: World) -> None:
    now = [0.0]
    generations = Generations(aws.dynamodb(), CONTROL, clock=lambda: now[0])
    moment = datetime(2026, 3, 2, tzinfo=UTC)
    assert generations.live_at(moment) == "blue"
    epochs = (*FIRST, Epoch("green", int(moment.timestamp() * 1000)))
    item = {**LIVE, "epochs": {"S": to_text(epochs)}}
    aws.dynamodb().put_item(TableName=CONTROL, Item=item)
    assert generations.live_at(moment) == "blue"
    now[0] += CACHED_SECONDS + 0.1
    assert generations.live_at(moment) == "green"
    assert generations.live_at(moment - timedelta(days=1)) == "blue"


def test_an_erased_learners_interactions_are_dropped_and_counted(world: World) -> None:
    world.project(interaction("a"))
    [state] = [item for (_, sk), item in world.items().items() if sk == "STATE"]
    erased = items.learner_of(state)._replace(erased_at=1_772_000_000_000_000)
    tombstone = items.state_item(erased._replace(version=erased.version + 1))
    assert tombstone.keys() == {"pk", "sk", "version", "erased_at", "expires_at"}
    aws.dynamodb().put_item(TableName=VIEWS, Item=tombstone)
    outcome = world.project(interaction("a"), interaction("b"))
    assert (outcome.applied, outcome.duplicates, outcome.erased) == (0, 0, 2)
    assert world.items()[tombstone["pk"]["S"], "STATE"] == tombstone
