"""The API's route for erasing: who may, with which confirmation, and what is answered when AWS fails."""

import json
from typing import Any

import pytest

from functions import aws, erase
from tests.faults import client_error, refuse_writes
from tests.integration.conftest import ARRIVAL, World, interaction
from tests.integration.http_events import Answer, Claims, answer_of, claims, faulty_fields, get, http_event

ADMIN, TEACHER = claims("root", "admins"), claims("tess", "instructors")


def delete(user: str, who: Claims, confirm: str | None = None) -> Answer:
    query = {} if confirm is None else {"confirm": confirm}
    return answer_of(erase.handler(http_event("DELETE", f"/progress/{user}", who=who, query=query), None))


def states(world: World) -> list[str]:
    return [pk for (pk, sk), item in world.items().items() if sk == "STATE" and "erased_at" not in item]


@pytest.fixture(autouse=True)
def studied(world: World) -> None:
    world.project(interaction("a"), interaction("b", user_id="bob"))


@pytest.mark.parametrize(
    ("user", "who", "confirm"),
    [
        ("me", claims("ann"), "me"),
        ("me", claims("ann"), "ann"),
        ("ann", claims("ann"), "ann"),
        ("ann", ADMIN, None),
        ("ann", ADMIN, "ann"),
    ],
)
def test_learners_with_a_confirmation_and_admins_erase(
    world: World, user: str, who: Claims, confirm: str | None
) -> None:
    status, body, _ = delete(user, who, confirm)
    assert (status, body) == (202, {"user_id": "ann", "erased_at": ARRIVAL.isoformat(), "status": "erased"})
    assert states(world) == ["USER#bob"]
    assert get("analytics", TEACHER, "ann")[0] == 404


@pytest.mark.parametrize(
    ("user", "who", "confirm"),
    [
        ("me", claims("ann"), None),
        ("me", claims("ann"), "bob"),
        ("ann", claims("ann"), "me"),
        ("ann", ADMIN, "bob"),
        ("me", ADMIN, None),
    ],
)
def test_without_the_right_confirmation_nothing_is_erased(
    world: World, user: str, who: Claims, confirm: str | None
) -> None:
    answer = delete(user, who, confirm)
    assert answer[0] == 400
    assert faulty_fields(answer) == {"confirm"}
    assert len(states(world)) == 2


def test_instructors_may_not_erase_and_others_see_nobody(world: World) -> None:
    assert delete("ann", TEACHER, "ann")[0] == 403
    assert delete("ann", claims("bob"), "ann")[0] == 404
    assert len(states(world)) == 2


def test_an_erasure_is_announced_on_the_bus(world: World) -> None:
    world.calls.clear()
    delete("ann", ADMIN)
    delete("ann", ADMIN)
    [put] = [params for name, params in world.calls if name == "PutEvents"]
    [entry] = put["Entries"]
    assert (entry["DetailType"], entry["Source"]) == ("learner.erased", "streakline")
    detail = json.loads(entry["Detail"])
    assert (detail["user_id"], detail["version"]) == ("ann", 1)


def test_a_failure_is_answered_503_and_the_request_can_be_repeated(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        refuse_writes(patch, client_error("InternalServerError", "PutItem"), times=100)
        status, _, headers = delete("ann", ADMIN)
        assert (status, headers["Retry-After"]) == (503, "2")
    assert delete("ann", ADMIN)[0] == 202
    assert states(world) == ["USER#bob"]


def test_a_bus_that_refuses_the_announcement_is_answered_503(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(**params: Any) -> Any:
        return {"Entries": [{"ErrorCode": "ThrottlingException"} for _ in params["Entries"]]}

    with monkeypatch.context() as patch:
        patch.setattr(aws.eventbridge(), "put_events", refusing)
        assert delete("ann", ADMIN)[0] == 503
    world.calls.clear()
    assert delete("ann", ADMIN)[0] == 202
    assert "PutEvents" in world.operations()
