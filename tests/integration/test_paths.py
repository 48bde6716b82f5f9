"""Paths as AWS hands them to the functions, where it differs from MiniStack (see tests/e2e/test_paths.py).

AWS decodes the path of an HTTP API before it selects the route. The authors of the Go library voker published
in 2026 what a live API makes of `rawPath`:

| sent    | MiniStack | AWS                    |
|---------|-----------|------------------------|
| `%20`   | blank     | blank                  |
| `%2F`   | `/`       | `/`                    |
| `%3F`   | `?`       | ends the path          |
| `%252F` | `%252F`   | `/`: decoded twice     |
| `%253F` | `%253F`   | `?`: decoded twice     |
| `%2525` | `%2525`   | `%`: decoded twice     |
| `%25x`  | `%25x`    | 400, and no invocation |

They published no path parameters, so each path is here with its parameter decoded once and decoded twice. The
functions must never decode it: what arrives is the id, and the caller needs the right to that id.
"""

from typing import Any, NamedTuple

import pytest

from functions import ingest, read
from tests.integration.conftest import World, interaction, streamed
from tests.integration.http_events import Answer, Claims, answer_of, claims, http_event

ANN = "ann@example.com"
ADMIN = claims("ada", "admins")


class Arrival(NamedTuple):
    """A path that a client sends, what arrives of it, and whose progress the answer is: None means 404.

    Each string stands for the part between `/progress/` and `/streak`.
    """

    sent: str
    raw: str
    parameter: str
    learner: str | None


ARRIVALS = [
    Arrival("ann@example.com", "ann@example.com", "ann@example.com", ANN),
    Arrival("ann%40example.com", "ann@example.com", "ann@example.com", ANN),
    Arrival("ann%2540example.com", "ann@example.com", "ann%40example.com", None),
    Arrival("ann%2540example.com", "ann@example.com", "ann@example.com", ANN),
    Arrival("ann%252540example.com", "ann%40example.com", "ann%2540example.com", None),
    Arrival("ann%252540example.com", "ann%40example.com", "ann%40example.com", None),
    Arrival("ann:1", "ann:1", "ann:1", "ann:1"),
    Arrival("ann%3A1", "ann:1", "ann:1", "ann:1"),
    Arrival("ann%253A1", "ann:1", "ann%3A1", None),
    Arrival("ann+1", "ann+1", "ann+1", "ann+1"),
    Arrival("ann+1", "ann 1", "ann 1", None),
    Arrival("ann%2B1", "ann+1", "ann+1", "ann+1"),
    Arrival("auth0%7C1", "auth0|1", "auth0|1", "auth0|1"),
    Arrival("_1", "_1", "_1", "_1"),
    Arrival("ann%252B1", "ann+1", "ann%2B1", None),
    Arrival("ann%201", "ann 1", "ann 1", None),
    # No route of the template takes two segments, but if one did, the id would be refused.
    Arrival("x%2Fann@example.com", "x/ann@example.com", "x/ann@example.com", None),
    Arrival("x%252Fann@example.com", "x/ann@example.com", "x%2Fann@example.com", None),
    Arrival("x%252Fann@example.com", "x/ann@example.com", "x/ann@example.com", None),
    Arrival("..", "..", "..", None),
    Arrival("%2e%2e", "..", "..", None),
    Arrival("..%2Fann@example.com", "../ann@example.com", "../ann@example.com", None),
    Arrival("..%252Fann@example.com", "../ann@example.com", "..%2Fann@example.com", None),
    # The decoded question mark ends rawPath, and perhaps the parameter.
    Arrival("ann@example.com%3Fx", "ann@example.com", "ann@example.com?x", None),
    Arrival("ann@example.com%3Fx", "ann@example.com", "ann@example.com", ANN),
    Arrival("ann@example.com%253Fx", "ann@example.com?x", "ann@example.com%3Fx", None),
    Arrival("ann@example.com%253Fx", "ann@example.com?x", "ann@example.com?x", None),
    Arrival("ann@example.com%23", "ann@example.com#", "ann@example.com#", None),
    Arrival("ann@example.com%2525", "ann@example.com%", "ann@example.com%25", None),
    Arrival("ann@example.com%2525", "ann@example.com%", "ann@example.com%", None),
    Arrival("%6De", "me", "me", "ada"),
    Arrival("%256De", "me", "%6De", None),
    Arrival("%256De", "me", "me", "ada"),
]
PREFIXES = {
    "at the root": "",
    "under a stage": "/v1",
    "under a base path": "/learning",
    "under a base path of two parts": "/learning/v1",
    "under a base path that is part of the path": "/progress",
}


def event(
    method: str, arrival: Arrival, view: str, who: Claims, prefix: str = "", **more: Any
) -> dict[str, Any]:
    """Return the event of a request to a route with a learner."""
    made = http_event(method, f"/progress/somebody/{view}", who=who, **more)
    made["rawPath"] = made["requestContext"]["http"]["path"] = f"{prefix}/progress/{arrival.raw}/{view}"
    made["pathParameters"] = {"user_id": arrival.parameter}
    return made


def streak(arrival: Arrival, who: Claims, prefix: str = "") -> Answer:
    return answer_of(read.handler(event("GET", arrival, "streak", who, prefix), None))


@pytest.fixture
def learners(world: World) -> World:
    """Return a world with progress of two learners and of the admin."""
    for learner in (ANN, "ann:1", "ann+1", "auth0|1", "_1", "ada"):
        world.project(interaction("a", user_id=learner))
    return world


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_view_is_of_the_learner_whom_the_path_parameter_names_or_404(learners: World, prefix: str) -> None:
    for arrival in ARRIVALS:
        status, body, _ = streak(arrival, ADMIN, PREFIXES[prefix])
        assert (status, body.get("user_id")) == (200 if arrival.learner else 404, arrival.learner), arrival
        if status == 404:
            assert body["error"]["message"] == "There is no such learner."


def test_a_post_is_for_the_learner_whom_the_path_parameter_names_or_404(learners: World) -> None:
    for number, arrival in enumerate(ARRIVALS):
        posted = interaction(f"e{number}", user_id=None)
        made = event("POST", arrival, "interaction", ADMIN, "/learning", body=posted)
        assert ingest.handler(made, None)["statusCode"] == (202 if arrival.learner else 404), arrival
    assert [record["user_id"] for record in streamed()] == [one.learner for one in ARRIVALS if one.learner]


def test_no_spelling_shows_a_learner_to_somebody_else(learners: World) -> None:
    for arrival in ARRIVALS:
        status, body, _ = streak(arrival, claims("eve"))
        own = arrival.parameter == "me"
        assert (status, body.get("user_id")) == (200 if own else 404, "eve" if own else None), arrival


@pytest.mark.parametrize("raw_path", ["/progress/ann/streak/", "//progress/ann/streak", "/progress", "/", ""])
def test_the_raw_path_is_ignored(world: World, raw_path: str) -> None:
    """AWS leaves slashes in rawPath that it ignores when it selects the route."""
    world.project(interaction("a"))
    made = http_event("GET", "/progress/ann/streak", who=claims("ann"))
    made["rawPath"] = made["requestContext"]["http"]["path"] = raw_path
    status, body, _ = answer_of(read.handler(made, None))
    assert (status, body["user_id"]) == (200, "ann")
