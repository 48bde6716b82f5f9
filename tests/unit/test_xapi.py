"""xAPI statements as interactions: pairs of raw and expected files, and properties of all JSON objects."""

import json
from collections.abc import Sequence
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events import parse_record
from domain.interaction import InvalidInteraction, is_content_id, parse
from domain.xapi import EXTENSIONS, LAST_TIME, NotUnderstood, Voids, content_id, interaction_of, learner_of
from domain.xapi_verbs import VERBS
from tests.factory import make_interaction

SAMPLES = Path(__file__).parent / "xapi"
RAW = sorted((SAMPLES / "raw").glob("*.json"))
PREFIXES = [
    "https://learn.example.com/",
    "https://learn.example.com/content/",
    "https://lms.example.org/xblock/",
]
ARRIVAL = datetime(2026, 3, 3, tzinfo=UTC)


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def outcome(statement: dict[str, Any], prefixes: Sequence[str] = PREFIXES) -> dict[str, Any]:
    """Return the interaction that a statement is, or why it is none."""
    try:
        return interaction_of(statement, prefixes)
    except NotUnderstood as error:
        return {"not_understood": str(error)}


@pytest.mark.parametrize("raw", RAW, ids=lambda path: path.stem)
def test_a_sample_becomes_what_its_pair_says(raw: Path) -> None:
    statements = read(raw)
    found = [outcome(each) for each in (statements if isinstance(statements, list) else [statements])]
    assert found == read(SAMPLES / "expected" / raw.name)
    for fields in found:
        if "not_understood" not in fields:
            parse(fields, ARRIVAL)


def test_raw_and_expected_files_come_in_pairs() -> None:
    expected = {path.name for path in (SAMPLES / "expected").glob("*.json")}
    assert {raw.name for raw in RAW} == expected
    assert len(RAW) > 30


@pytest.mark.parametrize(
    "verb", ["http://adlnet.gov/expapi/verbs/voided", "https://w3id.org/xapi/adl/verbs/voided"]
)
def test_a_voiding_statement_names_the_one_that_it_takes_back_whoever_sends_it(verb: str) -> None:
    target = "E05AA883-ACAF-40AD-BF54-02C8CE485FB0"
    voiding = {
        "actor": {"objectType": "Group", "member": []},
        "verb": {"id": verb},
        "object": {"objectType": "StatementRef", "id": target},
    }
    with pytest.raises(Voids) as refused:
        interaction_of(voiding)
    assert refused.value.target == target.lower()


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ({"id": "https://learn.example.com/quiz/1"}, "object: must be a StatementRef"),
        ({"objectType": "StatementRef", "id": "x"}, "object.id: is no UUID"),
        ({"objectType": "StatementRef"}, "object.id: is no UUID"),
        (None, "object: must be a StatementRef"),
    ],
)
def test_a_voiding_statement_must_refer_to_a_statement(target: Any, reason: str) -> None:
    voiding = {"verb": {"id": "http://adlnet.gov/expapi/verbs/voided"}, "object": target}
    assert outcome(voiding)["not_understood"].startswith(reason)


# -- properties ------------------------------------------------------------------------------------

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[]))
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
garbage = st.dictionaries(
    st.sampled_from(["id", "actor", "verb", "object", "result", "context", "timestamp", "stored"])
    | st.text(),
    values,
)
iris = st.sampled_from(["http://example.com/1", "urn:x:1", "https://learn.example.com/content/a"])
FIRST = datetime(2000, 1, 3)  # noqa: DTZ001 (hypothesis adds the zone)
numbers = st.integers(-2, 120) | st.floats(-1, 1)
good = st.fixed_dictionaries(
    {
        "actor": st.sampled_from(
            [
                {"account": {"homePage": "https://a.example", "name": "ann"}},
                {"account": {"homePage": "https://a.example", "name": "Ann Müller"}},
                {"objectType": "Agent", "mbox": "mailto:ann@example.com"},
                {"mbox_sha1sum": "a" * 40},
                {"openid": "https://ann.example"},
            ]
        ),
        "verb": st.builds(lambda verb: {"id": f"http://{verb}"}, st.sampled_from(sorted(VERBS))),
        "object": st.builds(lambda iri: {"id": iri, "objectType": "Activity"}, iris),
        "timestamp": st.datetimes(FIRST, timezones=st.just(UTC)).map(datetime.isoformat),
        "stored": st.just("2026-03-01T19:30:00Z"),
    },
    optional={
        "id": st.uuids().map(str),
        "result": st.fixed_dictionaries(
            {},
            optional={
                "score": st.fixed_dictionaries(
                    {}, optional=dict.fromkeys(("scaled", "raw", "min", "max"), numbers)
                ),
                "success": st.booleans(),
                "completion": st.booleans(),
                "duration": st.timedeltas(timedelta(), timedelta(2)).map(
                    lambda time: f"P{time.days}DT{time.total_seconds()}S"
                ),
            },
        ),
        "context": st.fixed_dictionaries(
            {"registration": st.uuids().map(str)},
            optional={"extensions": st.just({"urn:streakline:timezone": "Europe/Helsinki"})},
        ),
    },
)
PARTS = [
    *("id", "actor", "verb", "object", "timestamp", "stored", "result", "context"),
    *("actor.account", "actor.account.name", "actor.mbox", "actor.objectType", "verb.id", "object.id"),
    *("object.objectType", "result.score", "result.score.scaled", "result.score.raw", "result.score.max"),
    *("result.duration", "result.success", "result.completion", "context.registration"),
    *(
        "context.extensions",
        "context.contextActivities",
        *(f"context.extensions.{iri}" for iri in EXTENSIONS),
    ),
]
"""Parts of a statement, to be replaced by anything."""


@st.composite
def plausible(draw: st.DrawFn) -> dict[str, Any]:
    """Return a statement of which up to two parts are something else or missing."""
    made: dict[str, Any] = deepcopy(draw(good))
    for part in draw(st.lists(st.sampled_from(PARTS), max_size=2)):
        within: Any = made
        *path, name = part.split(".")
        for step in path:
            within = within.get(step) if isinstance(within, dict) else None
        if isinstance(within, dict):
            within[name] = draw(values | st.sampled_from([10**400, float("nan"), "", "P1Y", "me"]))
    return made


@given(garbage | plausible(), st.lists(st.text(), max_size=2))
def test_any_json_object_is_a_valid_interaction_or_has_a_reason(
    statement: dict[str, Any], prefixes: list[str]
) -> None:
    found = outcome(statement, prefixes)
    if "not_understood" in found:
        assert found["not_understood"].isprintable()
    else:
        assert parse(found, LAST_TIME).user_id == learner_of(statement)
        json.dumps(found, allow_nan=False).encode()


@given(plausible())
def test_a_statement_becomes_the_same_in_every_store_and_order(statement: dict[str, Any]) -> None:
    # A time of storage stands for a timestamp that is missing, so only what has one is the same elsewhere.
    statement = {**statement, "timestamp": "2026-03-01T19:30:00Z"}
    elsewhere = dict(reversed(statement.items())) | {"stored": "2026-03-04T00:00:00Z", "version": "1.0.3"}
    assert outcome(elsewhere) == outcome(statement)


@given(st.text(min_size=1).map(lambda text: f"http://example.com/{text}"))
def test_every_iri_has_an_id_of_the_contracts_form(iri: str) -> None:
    assert is_content_id(content_id(iri))


def statement(**fields: Any) -> dict[str, Any]:
    """Return a statement that is an interaction, with these fields changed."""
    return {
        "id": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "actor": {"account": {"homePage": "https://a.example", "name": "ann"}},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/experienced"},
        "object": {"id": "https://learn.example.com/content/saa-1"},
        "timestamp": "2026-03-01T21:30:00+02:00",
        **fields,
    }


def test_iris_that_differ_only_in_signs_are_different_contents() -> None:
    iris = [f"http://example.com/{name}" for name in ("c", "c+", "c#", "C", "c/", "c?", "ц")]
    assert len({content_id(iri) for iri in iris}) == len(iris)


def test_the_longest_prefix_decides() -> None:
    prefixes = ["https://a.example/", "https://a.example/x/", ""]
    assert content_id("https://a.example/x/7", prefixes) == "7"
    assert content_id("https://a.example/7", prefixes) == "7"
    assert content_id("https://b.example/7", prefixes) not in {"7", "https://b.example/7"}


def test_a_statement_that_is_nested_too_deeply_has_a_reason() -> None:
    nested: Any = {}
    for _ in range(200_000):
        nested = [nested]
    deep = statement(id=None, context={"extensions": nested})
    assert outcome(deep) == {"not_understood": "is nested too deeply"}


def test_a_lone_surrogate_is_no_part_of_an_id() -> None:
    for broken in (
        {"actor": {"account": {"homePage": "https://a.example", "name": "\ud800"}}},
        {"verb": {"id": "http://example.com/\ud800"}},
        {"object": {"id": "http://example.com/\ud800"}},
    ):
        assert "not_understood" in outcome(statement(**broken))


def test_a_reason_shows_control_characters_as_text() -> None:
    found = outcome(statement(verb={"id": "http://example.com/\x1b[31m\n"}))
    assert found["not_understood"].isprintable()


def test_all_verbs_are_listed_without_a_scheme_and_in_the_documentation() -> None:
    assert not [verb for verb in VERBS if "://" in verb]
    documented = (Path(__file__).parents[2] / "docs" / "xapi.md").read_text("utf-8")
    assert [verb for verb in VERBS if f"`{verb}`" not in documented] == []


# -- other formats on the stream -------------------------------------------------------------------

FOREIGN: dict[str, dict[str, Any]] = {
    "xAPI statement": statement(),
    "xAPI statement: send it to POST /xapi/statements": {"statements": [statement()], "more": ""},
    "Caliper event": {
        "@context": "http://purl.imsglobal.org/ctx/caliper/v1p2",
        "type": "AssessmentEvent",
        "action": "Submitted",
        "actor": {"id": "https://lms.example.org/users/7", "type": "Person"},
        "object": {"id": "https://lms.example.org/quiz/1", "type": "Assessment"},
        "eventTime": "2026-03-01T05:59:29.700Z",
    },
    "Caliper event, which": {
        "sensor": "https://lms.example.org/sensor",
        "sendTime": "2026-03-01T05:59:29.700Z",
        "dataVersion": "http://purl.imsglobal.org/ctx/caliper/v1p2",
        "data": [],
    },
    "edX tracking event": {
        "name": "edx.grades.problem.submitted",
        "event_type": "edx.grades.problem.submitted",
        "event_source": "server",
        "username": "ann",
        "context": {"course_id": "course-v1:Org+Cloud+2026", "user_id": 3},
        "event": {},
        "time": "2026-03-01T20:37:45.526615+00:00",
    },
}


@pytest.mark.parametrize("form", FOREIGN)
def test_a_record_of_another_format_is_refused_with_its_name(form: str) -> None:
    with pytest.raises(InvalidInteraction, match=form) as refusal:
        parse_record(json.dumps(FOREIGN[form]).encode(), ARRIVAL)
    assert refusal.value.code == "invalid"
    assert len(refusal.value.faults) == 1


@pytest.mark.parametrize(
    "fields",
    [{}, {"statements": 1}, {"statements": [1]}, {"actor": "a", "verb": "v"}, {"event_source": "server"}],
    ids=str,
)
def test_other_records_keep_their_faults(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInteraction) as refusal:
        parse_record(json.dumps(fields).encode(), ARRIVAL)
    assert {fault.field for fault in refusal.value.faults} >= {"event_id", "user_id", "content_id"}


def test_a_valid_interaction_may_have_fields_of_another_format() -> None:
    fields = {**make_interaction(), **statement(), "@context": "http://purl.imsglobal.org/ctx/caliper/v1p2"}
    assert parse_record(json.dumps(fields).encode(), ARRIVAL)
