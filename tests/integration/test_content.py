"""What teachers see of the catalog's contents: the hardest first."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from domain.catalog import Catalog, Certification, Content
from domain.contents import CatalogContents, hardest
from functions import read
from tests.integration.conftest import World
from tests.integration.http_events import answer_of, claims, http_event


def asked(*groups: str, **query: str) -> tuple[int, Any, Any]:
    return answer_of(
        read.handler(http_event("GET", "/content", who=claims("ann", *groups), query=query), None)
    )


def content(ordinal: int, rate: float | None, *, active: bool = True) -> Content:
    return Content(ordinal, f"c-{ordinal}", "Storage", "beginner", active, 0, correct_rate=rate)


def test_the_hardest_contents_come_first_and_those_of_unknown_difficulty_last() -> None:
    contents = (content(0, None), content(1, 0.9), content(2, 0.2), content(3, 0.1, active=False))
    catalog = Catalog(
        {"SAA": Certification("SAA", 1, contents), "DVA": Certification("DVA", 1, (content(0, 0.0),))}
    )
    found = hardest(catalog, None, 3)
    listed = [(one["certification_type"], one["content_id"]) for one in found["content"]]
    assert listed == [("DVA", "c-0"), ("SAA", "c-2"), ("SAA", "c-1")]
    assert (found["total"], found["total_with_rate"]) == (4, 3)
    assert [one["content_id"] for one in hardest(catalog, "SAA", 9)["content"]] == ["c-2", "c-1", "c-0"]


@pytest.mark.parametrize("group", ["instructors", "admins"])
def test_instructors_and_admins_see_it(world: World, group: str) -> None:
    status, body, _ = asked(group, certification_type="SAA", limit="2")
    assert status == 200
    TypeAdapter(CatalogContents).validate_python(body)
    assert len(body["content"]) == 2
    assert {one["certification_type"] for one in body["content"]} == {"SAA"}


def test_a_learner_is_refused_and_an_unknown_certification_is_not_found(world: World) -> None:
    assert asked()[:1] == (403,)
    status, body, _ = asked("instructors", certification_type="NOPE")
    assert (status, body["error"]["code"]) == (404, "unknown_certification")
