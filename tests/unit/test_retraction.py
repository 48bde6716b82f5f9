"""Retractions: their contract, and what a fold makes of them, before and after what they take back."""

from datetime import UTC, date, datetime

import pytest

from domain.catalog import Catalog, Certification, ContentMetadata, assign
from domain.days import day_number, microseconds
from domain.events import Event, detail_type, parse_event
from domain.fold import Buckets, applied_on, fold, is_applied, is_dropped
from domain.interaction import InvalidInteraction
from domain.learner import Learner
from domain.retraction import Retraction
from tests.factory import make_parsed

ARRIVAL = datetime(2026, 3, 2, 12, tzinfo=UTC)
FIELDS = {"event_id": "e1", "user_id": "ann", "retracted_on": "2026-03-01"}
CATALOG = Catalog({"SAA": assign(Certification("SAA"), [ContentMetadata("saa-1", "Storage")], 1)})


def retraction(of: str = "e1") -> Retraction:
    parsed = make_parsed(event_id=of)
    return Retraction(of, parsed.user_id, parsed.utc_day)


def test_a_retraction_has_the_identity_of_what_it_takes_back() -> None:
    parsed = parse_event(FIELDS, ARRIVAL)
    number = day_number(date(2026, 3, 1))
    assert parsed == Retraction("e1", "ann", number)
    assert parsed.at == microseconds(datetime(2026, 3, 1, tzinfo=UTC))
    assert detail_type(FIELDS) == "interaction.retracted"


@pytest.mark.parametrize(
    ("changed", "code", "field"),
    [
        ({"retracted_on": "2026-03-03"}, "too_early", "retracted_on"),
        ({"retracted_on": "2026-02-30"}, "invalid", "retracted_on"),
        ({"retracted_on": "20260301"}, "invalid", "retracted_on"),
        ({"retracted_on": "1999-12-31"}, "invalid", "retracted_on"),
        ({"retracted_on": 20260301}, "invalid", "retracted_on"),
        ({"event_id": "a b"}, "invalid", "event_id"),
        ({"user_id": "me"}, "invalid", "user_id"),
    ],
)
def test_a_retraction_with_a_fault_is_refused_with_its_field(
    changed: dict[str, object], code: str, field: str
) -> None:
    with pytest.raises(InvalidInteraction) as refused:
        parse_event({**FIELDS, **changed}, ARRIVAL)
    assert refused.value.code == code
    assert [fault.field for fault in refused.value.faults] == [field]


def test_an_interaction_that_was_taken_back_before_it_arrives_is_not_applied() -> None:
    before = fold(Learner("ann"), Buckets(), [retraction()], CATALOG)
    assert before.applied == 1
    after = fold(before.learner, Buckets(), [make_parsed(event_id="e1")], CATALOG)
    assert (after.applied, after.duplicates) == (0, 1)
    assert not after.learner.tracks
    assert is_applied(after.learner, Buckets(), make_parsed(event_id="e1"))


def test_one_batch_with_a_retraction_first_leaves_the_interaction_out() -> None:
    events: list[Event] = [retraction(), make_parsed(event_id="e1"), make_parsed(event_id="e2")]
    change = fold(Learner("ann"), Buckets(), events, CATALOG)
    assert (change.applied, change.duplicates) == (2, 1)
    assert change.learner.total.interactions == 1


def test_what_was_applied_stays_applied_until_the_learner_is_refolded() -> None:
    applied = fold(Learner("ann"), Buckets(), [make_parsed(event_id="e1")], CATALOG).learner
    change = fold(applied, Buckets(), [retraction()], CATALOG)
    assert change.learner.total == applied.total
    assert change.learner.applied is not None
    digest = retraction().digest
    assert digest in change.learner.applied.digests & change.learner.applied.retracted
    again = fold(change.learner, Buckets(), [retraction()], CATALOG)
    assert (again.applied, again.duplicates) == (0, 1)
    assert applied_on(change.learner, Buckets(), retraction().utc_day) == {digest}


def test_an_erased_learner_takes_nothing_and_one_who_started_again_only_what_came_later() -> None:
    event = make_parsed(event_id="e1")
    erased = Learner("ann", 4, erased_at=event.at)
    change = fold(erased, Buckets(), [event, retraction()], CATALOG)
    assert (change.applied, change.erased, change.learner) == (0, 2, erased)
    restarted = Learner("ann", 5, starts_at=event.at)
    later = fold(restarted, Buckets(), [event, event._replace(event_id="e0", at=event.at - 1)], CATALOG)
    assert (later.applied, later.erased) == (1, 1)
    assert later.learner.starts_at == event.at
    assert not is_dropped(restarted, retraction())
