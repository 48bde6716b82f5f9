"""Results of exams: which records are results, what is refused, and how they are folded."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.catalog import Catalog, Certification, Content
from domain.events import Event, detail_type, parse_event, parse_record
from domain.exam_results import Exam, ExamResult
from domain.interaction import Interaction, InvalidInteraction
from domain.retraction import Retraction
from domain.views import ViewContext, dashboard, readiness, readiness_of_all
from functions.items import learner_of, state_item
from tests.factory import Folded, fold_batches, make_interaction

ARRIVAL = datetime(2026, 3, 10, 12, tzinfo=UTC)
CATALOG = Catalog({"SAA": Certification("SAA", 1, (Content(0, "saa-1", "Storage", "beginner", True, 0),))})


def make_exam(**fields: Any) -> dict[str, Any]:
    """Return an `exam.taken` with these fields changed. `...` leaves a field out."""
    whole = {
        "event_id": "x-1",
        "user_id": "ann",
        "certification_type": "SAA",
        "occurred_at": "2026-03-01T09:00:00+02:00",
        "passed": True,
        "score": 78.5,
        **fields,
    }
    return {name: value for name, value in whole.items() if value is not ...}


def parsed(fields: dict[str, Any]) -> Event:
    return parse_event(fields, ARRIVAL)


def folded(*batches: list[dict[str, Any]]) -> Folded:
    return fold_batches([[parsed(fields) for fields in batch] for batch in batches], CATALOG)


def test_a_record_with_passed_and_no_content_is_an_exam_result() -> None:
    result = parse_record(json.dumps(make_exam()).encode(), ARRIVAL)
    at = int(datetime(2026, 3, 1, 7, tzinfo=UTC).timestamp()) * 1_000_000
    assert result == ExamResult("x-1", "ann", "SAA", at, True, 7850)


def test_an_interaction_with_a_field_passed_stays_an_interaction() -> None:
    assert isinstance(parsed(make_interaction(passed=True)), Interaction)
    for missing in ("content_id", "interaction_type"):
        with pytest.raises(InvalidInteraction, match=missing):
            parsed(make_interaction(passed=True, **{missing: ...}))


def test_a_row_of_a_table_of_all_events_is_what_its_columns_say() -> None:
    columns = {"content_id": None, "interaction_type": None, "passed": None, "retracted_on": None}
    retracted = {"event_id": "x-1", "user_id": "ann", "retracted_on": "2026-03-01"}
    rows = (make_interaction(), make_exam(), retracted)
    assert [type(parsed({**columns, **row})) for row in rows] == [Interaction, ExamResult, Retraction]
    assert [detail_type({**columns, **row}) for row in rows] == [detail_type(row) for row in rows]


@pytest.mark.parametrize(
    ("fields", "faulty"),
    [
        ({"passed": "yes"}, {"passed"}),
        ({"passed": None}, {"passed"}),
        ({"score": 100.01}, {"score"}),
        ({"score": float("nan")}, {"score"}),
        ({"certification_type": ...}, {"certification_type"}),
        ({"certification_type": "S A A"}, {"certification_type"}),
        ({"user_id": "me"}, {"user_id"}),
        ({"occurred_at": "2026-03-01"}, {"occurred_at"}),
        ({"event_id": ..., "passed": 1}, {"event_id", "passed"}),
    ],
)
def test_an_invalid_result_is_refused_with_every_fault(fields: dict[str, Any], faulty: set[str]) -> None:
    with pytest.raises(InvalidInteraction) as refused:
        parsed(make_exam(**fields))
    assert refused.value.code == "invalid"
    assert {fault.field for fault in refused.value.faults} == faulty


def test_a_result_ahead_of_its_arrival_is_too_early() -> None:
    with pytest.raises(InvalidInteraction) as refused:
        parsed(make_exam(occurred_at="2026-03-10T12:05:01Z"))
    assert refused.value.code == "too_early"


def test_a_result_is_no_study_and_counts_once() -> None:
    studied = [make_interaction(), make_interaction(event_id="e-2", occurred_at="2026-03-02T09:00:00+02:00")]
    without, with_exam = folded(studied), folded([make_exam(), *studied], [make_exam()])
    assert with_exam.applied == without.applied + 1
    [exam] = with_exam.learner.exams["SAA"]
    assert (exam.passed, exam.score) == (True, 7850)
    same = with_exam.learner._replace(exams={}, version=0, applied=None)
    assert same == without.learner._replace(version=0, applied=None)
    assert (with_exam.days, with_exam.awards) == (without.days, without.awards)


def test_an_id_that_an_interaction_used_on_that_utc_day_is_taken() -> None:
    interaction, exam = make_interaction(event_id="same"), make_exam(event_id="same")
    first_interaction, first_exam = (
        folded([interaction], [exam]).learner,
        folded([exam], [interaction]).learner,
    )
    assert (first_interaction.total.interactions, first_interaction.exams) == (1, {})
    assert (first_exam.total.interactions, len(first_exam.exams["SAA"])) == (0, 1)
    other_day = make_exam(event_id="same", occurred_at="2026-03-02T09:00:00+02:00")
    assert folded([interaction], [other_day]).applied == 2


def test_a_result_of_a_certification_that_no_catalog_has_is_refused() -> None:
    assert folded([make_exam(certification_type="XYZ")]).applied == 0


def test_a_learner_can_begin_with_an_exam_and_study_earlier_days_later() -> None:
    earlier = [
        make_interaction(event_id=f"e-{day}", occurred_at=f"2026-02-0{day}T09:00:00+02:00") for day in (3, 1)
    ]
    found = folded([make_exam()], *[[fields] for fields in earlier], earlier)
    assert found.learner.total.interactions == 2
    assert found.learner.latest is not None
    assert len(found.learner.calendar) == 2
    assert learner_of(state_item(found.learner)) == found.learner


def test_a_state_with_nothing_but_exams_is_stored_and_shown() -> None:
    learner = folded([make_exam(), make_exam(event_id="x-2", passed=False, score=...)]).learner
    assert learner_of(state_item(learner)) == learner
    context = ViewContext(learner, {}, (), CATALOG, 9567)
    shown = readiness(context, "SAA")
    assert shown["exams"] == [
        {"occurred_at": "2026-03-01T07:00:00Z", "passed": False, "score": None},
        {"occurred_at": "2026-03-01T07:00:00Z", "passed": True, "score": 78.5},
    ]
    assert shown["last_exam"] == shown["exams"][-1]
    assert list(readiness_of_all(context)["certifications"]) == ["SAA"]
    assert list(dashboard(context, 30, ARRIVAL)["certification_progress"]) == ["SAA"]


def test_numbers_that_a_later_release_added_to_a_result_are_kept() -> None:
    learner = folded([make_exam()]).learner
    kept = learner._replace(exams={"SAA": (learner.exams["SAA"][0]._replace(unknown=(7, 0, 15)),)})
    assert learner_of(state_item(kept)) == kept


EXAMS = st.builds(
    lambda n, day, passed, score: make_exam(
        event_id=f"x-{n}", occurred_at=f"2026-03-0{day}T09:00:00Z", passed=passed, score=score
    ),
    st.integers(0, 9),
    st.integers(1, 3),
    st.booleans(),
    st.one_of(st.just(...), st.integers(0, 100)),
)
STUDY = st.builds(
    lambda n, day: make_interaction(event_id=f"e-{n}", occurred_at=f"2026-03-0{day}T09:00:00Z"),
    st.integers(0, 9),
    st.integers(1, 3),
)


@given(st.data(), st.lists(st.one_of(EXAMS, STUDY), max_size=12))
def test_neither_order_nor_batches_nor_repetitions_change_the_state(
    data: st.DataObject, sent: list[dict[str, Any]]
) -> None:
    distinct = {(fields["occurred_at"][:10], fields["event_id"]): fields for fields in sent}
    whole = folded(list(distinct.values())).learner
    shuffled = data.draw(st.permutations([*distinct.values(), *distinct.values()]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(shuffled)), max_size=4)))
    batches = [shuffled[a:b] for a, b in zip([0, *cuts], [*cuts, len(shuffled)], strict=True)]
    again = folded(*batches).learner
    assert state_item(again._replace(version=0)) == state_item(whole._replace(version=0))
    expected = sorted(
        Exam(parsed(one).at, one["passed"], one["score"] * 100 if "score" in one else -1)
        for one in distinct.values()
        if "passed" in one
    )
    assert list(again.exams.get("SAA", ())) == expected
