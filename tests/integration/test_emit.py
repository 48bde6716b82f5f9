"""Emitting interactions through the doors: the real API function, on moto, behind a server on loopback."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import click
import pytest

from cli import api_client, doors, quarantine, retry
from cli.api_client import MAX_BODY_BYTES, MAX_INTERACTIONS, UNAVAILABLE
from cli.emit import Summary, emit_interactions
from cli.manifest import read_manifest
from cli.stack import Stack
from cli.wait import find
from functions import ingest, posting, stream
from tests.factory import make_interaction
from tests.integration.conftest import World
from tests.integration.http_events import claims, http_event
from tests.integration.test_redrive import in_stream, make_stack

type Answer = tuple[int, str]
"""A status and a body."""


def ingest_as_admin(path: str, body: str) -> Answer:
    """Answer a request as the API function does for an admin."""
    event = http_event("POST", path, body=body, who=claims("root", "admins"))
    answer = ingest.handler(event, None)
    return answer["statusCode"], answer["body"]


@dataclass
class Api:
    """A server on loopback that counts requests."""

    answer: Callable[[str, str], Answer] = ingest_as_admin
    """Takes a path and a body."""
    requests: list[list[dict[str, Any]]] = field(default_factory=list)
    """The interactions of each request."""
    body_sizes: list[int] = field(default_factory=list)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                api.requests.append(json.loads(body)["interactions"])
                api.body_sizes.append(len(body))
                status, text = api.answer(self.path, body)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
                pass

        return Handler


@dataclass
class Emitter:
    """Emits through the API's door, with a manifest of its own."""

    api: Api
    stack: Stack
    manifest: Path

    def emit(self, *interactions: dict[str, Any]) -> Summary:
        return emit_interactions(self.stack, "api", interactions, self.manifest)


@pytest.fixture
def emitter(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emitter]:
    monkeypatch.setattr(retry, "pause", lambda _: None)
    monkeypatch.setattr(quarantine, "WAIT_SECONDS", 0)
    # Cognito issues the token; moto can't without a further dependency.
    monkeypatch.setattr(doors, "id_token", lambda *_, **__: "an admin's token")
    api = Api()
    server = HTTPServer(("127.0.0.1", 0), api.handler())
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    stack = replace(make_stack(world), api_url=f"http://127.0.0.1:{server.server_port}")
    yield Emitter(api, stack, tmp_path / "manifest.jsonl")
    server.shutdown()
    thread.join()
    server.server_close()


def of_learner(number: int, event_id: str, **fields: Any) -> dict[str, Any]:
    return make_interaction(event_id=event_id, user_id=f"learner-{number}", **fields)


def event_ids_in_stream() -> list[str]:
    return [json.loads(data)["event_id"] for data in in_stream()]


def test_1200_interactions_of_alternating_learners_take_three_requests(emitter: Emitter) -> None:
    log = [of_learner(n % 130, f"e{n}") for n in range(1200)]
    summary = emitter.emit(*log)
    assert [len(request) for request in emitter.api.requests] == [500, 500, 200]
    assert (summary.emitted, len(summary.learners), summary.refused) == (1200, 130, {})
    assert [json.loads(data) for data in in_stream()] == log, "each with its own learner, in order"
    assert len(read_manifest(emitter.manifest)) == 1200


def test_batches_are_also_split_by_the_size_of_the_body(emitter: Emitter) -> None:
    # 8,000 bytes each, in characters that JSON escapes to six bytes.
    large = {"note": "é" * 3990}
    summary = emitter.emit(*(of_learner(n, f"e{n}", additional_data=large) for n in range(200)))
    assert summary.emitted == 200
    assert len(emitter.api.requests) == 3
    assert max(emitter.api.body_sizes) <= MAX_BODY_BYTES


def test_the_client_stays_within_the_limits_of_the_api() -> None:
    assert MAX_INTERACTIONS <= stream.MAX_RECORDS
    assert MAX_BODY_BYTES <= posting.MAX_BODY_BYTES


def test_an_interaction_that_the_api_refuses_is_reported_and_not_awaited(
    world: World, emitter: Emitter, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = emitter.emit(
        of_learner(1, "good"),
        of_learner(2, "bad", score=101),
        of_learner(3, "unknown", content_id="not-in-any-catalog", session_id=None, colour="red"),
    )
    assert summary.emitted == 2
    assert summary.learners == {"learner-1", "learner-3"}
    [(reason, count)] = summary.refused.items()
    assert reason.startswith("score: ")
    assert count == 1
    assert "event_id bad, user_id learner-2: score: " in capsys.readouterr().err
    world.project(*in_stream())
    found = find(emitter.stack, read_manifest(emitter.manifest), 0, lambda _: None)
    assert (found.in_views, found.quarantined, found.missing) == (1, {"unknown_content": 1}, 0)


@pytest.mark.parametrize("user_id", [..., None, "me"])
def test_an_interaction_without_a_learner_is_not_posted_as_anybodys(emitter: Emitter, user_id: Any) -> None:
    summary = emitter.emit(make_interaction(user_id=user_id), of_learner(1, "good"))
    assert summary.refused == {"user_id: must name a learner": 1}
    assert summary.learners == {"learner-1"}
    assert event_ids_in_stream() == ["good"]


def test_an_interaction_without_a_learner_counts_for_none(emitter: Emitter) -> None:
    log = [make_interaction(user_id=...), of_learner(1, "good")]
    summary = emit_interactions(emitter.stack, "stream", log, emitter.manifest)
    assert (summary.emitted, summary.learners) == (2, {"learner-1"})
    assert [entry.user_id for entry in read_manifest(emitter.manifest)] == ["", "learner-1"]


def test_an_interaction_without_a_time_is_not_posted_as_of_now(emitter: Emitter) -> None:
    summary = emitter.emit(of_learner(1, "x", occurred_at=...))
    assert summary.emitted == 0
    assert [reason.partition(":")[0] for reason in summary.refused] == ["occurred_at"]
    assert emitter.api.requests == []


def test_an_interaction_over_the_body_limit_is_refused_without_a_request(
    emitter: Emitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_client, "MAX_BODY_BYTES", 1000)
    summary = emitter.emit(of_learner(1, "x", session_id="y" * 1000))
    assert summary.refused == {"must take at most 1000 bytes as JSON": 1}
    assert emitter.api.requests == []


def test_wait_finds_an_interaction_under_the_id_that_the_api_derived(world: World, emitter: Emitter) -> None:
    emitter.emit(make_interaction(event_id=...))
    world.project(*in_stream())
    found = find(emitter.stack, read_manifest(emitter.manifest), 0, lambda _: None)
    assert (found.in_views, found.missing) == (1, 0)


def test_unavailable_interactions_are_retried_alone(emitter: Emitter) -> None:
    def first_request_in_part(path: str, body: str) -> Answer:
        if len(emitter.api.requests) > 1:
            return ingest_as_admin(path, body)
        [first, second] = json.loads(body)["interactions"]
        _, answered = ingest_as_admin(path, json.dumps([first]))
        results = json.loads(answered)["results"]
        results.append({"status": "unavailable", "event_id": second["event_id"]})
        return 202, json.dumps({"accepted": 1, "results": results})

    emitter.api.answer = first_request_in_part
    summary = emitter.emit(of_learner(1, "e1"), of_learner(2, "e2"))
    assert (summary.emitted, summary.refused) == (2, {})
    sent = [[fields["event_id"] for fields in request] for request in emitter.api.requests]
    assert sent == [["e1", "e2"], ["e2"]]
    assert event_ids_in_stream() == ["e1", "e2"]


def test_an_interaction_that_stays_unavailable_is_reported_and_not_awaited(
    emitter: Emitter, capsys: pytest.CaptureFixture[str]
) -> None:
    def never_the_second(path: str, body: str) -> Answer:
        results = [
            {"status": "unavailable" if fields["event_id"] == "e2" else "accepted", **fields}
            for fields in json.loads(body)["interactions"]
        ]
        return 202, json.dumps({"results": results})

    emitter.api.answer = never_the_second
    summary = emitter.emit(of_learner(1, "e1"), of_learner(2, "e2"))
    assert (summary.emitted, summary.refused) == (1, {UNAVAILABLE: 1})
    assert len(emitter.api.requests) == retry.MAX_TRIES
    assert "event_id e2, user_id learner-2: the API was unavailable" in capsys.readouterr().err
    assert [entry.user_id for entry in read_manifest(emitter.manifest)] == ["learner-1"]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_request_that_fails_temporarily_is_sent_again(emitter: Emitter, status: int) -> None:
    def second_time(path: str, body: str) -> Answer:
        return ingest_as_admin(path, body) if len(emitter.api.requests) > 1 else (status, "{}")

    emitter.api.answer = second_time
    assert emitter.emit(of_learner(1, "e1")).emitted == 1
    assert len(emitter.api.requests) == 2


def test_emitting_stops_if_the_api_stays_unavailable(emitter: Emitter) -> None:
    def first_batch_only(path: str, body: str) -> Answer:
        return ingest_as_admin(path, body) if len(emitter.api.requests) == 1 else (503, "no capacity")

    emitter.api.answer = first_batch_only
    with pytest.raises(click.ClickException, match="the API answered 503: no capacity"):
        emitter.emit(*(of_learner(1, f"e{n}") for n in range(501)))
    assert len(emitter.api.requests) == 1 + retry.MAX_TRIES
    assert len(read_manifest(emitter.manifest)) == 500, "what was emitted before"


def test_emitting_stops_at_once_if_the_api_refuses_the_request(emitter: Emitter) -> None:
    emitter.api.answer = lambda *_: (403, "not an admin")
    with pytest.raises(click.ClickException, match="the API answered 403: not an admin"):
        emitter.emit(of_learner(1, "e1"))
    assert len(emitter.api.requests) == 1


def test_an_api_that_can_not_be_reached_ends_in_a_message(emitter: Emitter) -> None:
    stack = replace(emitter.stack, api_url="http://127.0.0.1:1")
    with pytest.raises(click.ClickException, match=r"unavailable 10 times .*refused"):
        emit_interactions(stack, "api", [of_learner(1, "e1")], emitter.manifest)
