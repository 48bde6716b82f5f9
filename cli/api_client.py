"""Post interactions to the HTTP API as an admin, in batches that mix learners."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from http.client import HTTPException
from typing import Any, Literal, NamedTuple, assert_never

import click

from cli.batching import split
from cli.logs import Fields
from cli.retry import MAX_TRIES, retry
from domain.exam_results import is_exam
from domain.interaction import InteractionV1
from domain.retraction import is_retraction

MAX_INTERACTIONS = 500
"""The API's limit for one request."""
MAX_BODY_BYTES = 2 * 1024 * 1024
"""Half of the API's limit: Lambda's event holds the body as a JSON string, and escaping makes it longer."""
TIMEOUT_SECONDS = 30

UNAVAILABLE = "the API was unavailable; emit it again"

_TRANSIENT = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
_BODY = b'{"interactions":[%s]}'


class Refusal(NamedTuple):
    """An interaction that was not emitted, and the reason."""

    interaction: Fields
    reason: str


class Delivery(NamedTuple):
    """The result of emitting one batch of interactions."""

    emitted: Sequence[Fields]
    """Those that are in the stream now, as the stream has them."""
    refused: Sequence[Refusal] = ()


class _Item(NamedTuple):
    """An interaction and its JSON."""

    interaction: Fields
    body: bytes


def post_interactions(api_url: str, token: str, interactions: Sequence[Fields]) -> Iterator[Delivery]:
    """Post interactions in order with an admin's ID token, and yield the result of each batch.

    Whatever is temporarily unavailable is retried. Raises click.ClickException if the API accepts none of a
    batch for that reason, or answers a whole request with an error.
    """
    url = f"{api_url}/progress/me/interactions"
    items: list[_Item] = []
    refused: list[Refusal] = []
    for interaction in interactions:
        item = _Item(interaction, json.dumps(interaction, separators=(",", ":")).encode())
        if reason := _refusal_reason(item):
            refused.append(Refusal(interaction, reason))
        else:
            items.append(item)
    if refused:
        yield Delivery((), refused)
    room = MAX_BODY_BYTES - len(_BODY)
    for batch in split(
        items, max_items=MAX_INTERACTIONS, max_bytes=room, size=lambda item: len(item.body) + 1
    ):
        yield _post_batch(url, token, batch)


def _refusal_reason(item: _Item) -> str | None:
    """Return why an interaction must not be posted, or None if it can be."""
    # The API completes an interaction with the caller's id and the present time, neither of which is meant.
    if item.interaction.get("user_id") in (None, "me"):
        return "user_id: must name a learner"
    if is_exam(item.interaction):
        return "an exam result has a route of its own; emit it through the stream or the bus"
    if is_retraction(item.interaction):
        return "the API takes no retraction; emit it through the stream or the bus"
    if item.interaction.get("occurred_at") is None:
        return "occurred_at: must be given, because the API would use the time of the request"
    if len(_BODY) + len(item.body) > MAX_BODY_BYTES:
        return f"must take at most {MAX_BODY_BYTES} bytes as JSON"
    return None


def _post_batch(url: str, token: str, batch: list[_Item]) -> Delivery:
    emitted: list[Fields] = []
    refused: list[Refusal] = []
    problem = ""

    def attempt(items: list[_Item]) -> list[_Item]:
        nonlocal problem
        try:
            results = _post(url, token, items)
        except _Unavailable as error:
            problem = str(error)
            return items
        unavailable = []
        for item, result in zip(items, results, strict=True):
            status: Literal["accepted", "invalid", "unavailable"] = result["status"]
            match status:
                case "accepted":
                    emitted.append(_as_in_stream(item.interaction, result["event_id"]))
                case "invalid":
                    refused.append(Refusal(item.interaction, _reason(result["faults"])))
                case "unavailable":
                    unavailable.append(item)
                case _:
                    assert_never(status)
        return unavailable

    left = retry(batch, attempt)
    if len(left) == len(batch):
        raise click.ClickException(
            f"the API was unavailable {MAX_TRIES} times ({problem}); run the command again later, "
            "which is safe"
        )
    return Delivery(emitted, [*refused, *(Refusal(item.interaction, UNAVAILABLE) for item in left)])


class _Unavailable(Exception):
    """The API could not be reached, or said that it can't answer now."""


def _post(url: str, token: str, items: list[_Item]) -> list[dict[str, Any]]:
    """Return the result of each item. Raise _Unavailable or click.ClickException."""
    request = urllib.request.Request(
        url,
        data=_BODY % b",".join(item.body for item in items),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
            results: list[dict[str, Any]] = json.load(answer)["results"]
            return results
    except urllib.error.HTTPError as error:
        message = f"the API answered {error.code}: {error.read().decode(errors='replace')}"
        if error.code in _TRANSIENT:
            raise _Unavailable(message) from error
        raise click.ClickException(message) from error
    except (OSError, HTTPException) as error:
        raise _Unavailable(str(error)) from error


def _as_in_stream(interaction: Fields, event_id: str) -> Fields:
    """Return an accepted interaction as the API puts it into the stream.

    The API carries only the contract's fields, and derives an id for an interaction without one.
    """
    carried = {name: interaction[name] for name in InteractionV1.model_fields if name in interaction}
    return {name: value for name, value in carried.items() if value is not None} | {"event_id": event_id}


def _reason(faults: list[dict[str, str]]) -> str:
    return "; ".join(f"{fault['field']}: {fault['message']}" for fault in faults)
