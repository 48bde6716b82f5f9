"""The doors through which interactions enter Streakline: the stream, the bus and the API."""

import json
from collections.abc import Iterator, Sequence
from itertools import batched
from typing import Any, Literal, assert_never, get_args

from cli.api_client import Delivery, post_interactions
from cli.logs import Fields
from cli.retry import rejected, retry_until_accepted
from cli.stack import Stack
from cli.stream import make_record, put_records
from cli.token import id_token, own_user
from domain.events import detail_type

type Door = Literal["stream", "bus", "api"]
DOORS: tuple[Door, ...] = get_args(Door.__value__)

MAX_EVENTS = 10
"""Limit of one PutEvents call."""


def deliver(stack: Stack, door: Door, interactions: Sequence[Fields]) -> Iterator[Delivery]:
    """Emit interactions in order through a door, and yield the result of each batch.

    Raises click.ClickException if the door stays unavailable.
    """
    match door:
        case "stream":
            return _through_stream(stack, interactions)
        case "bus":
            return _through_bus(stack, interactions)
        case "api":
            token = id_token(stack, own_user("admins"), "admins", existing=True)
            return post_interactions(stack.api_url, token, interactions)
        case _:
            assert_never(door)


def _through_stream(stack: Stack, interactions: Sequence[Fields]) -> Iterator[Delivery]:
    records = (make_record(json.dumps(fields).encode()) for fields in interactions)
    start = 0
    for count in put_records(stack, records):
        yield Delivery(interactions[start : start + count])
        start += count


def _through_bus(stack: Stack, interactions: Sequence[Fields]) -> Iterator[Delivery]:
    events, bus = stack.client("events"), stack.outputs["BusName"]

    def attempt(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return rejected(entries, events.put_events(Entries=entries)["Entries"])

    for batch in batched(interactions, MAX_EVENTS):
        entries = [
            {
                "EventBusName": bus,
                "Source": "streakline.emit",
                "DetailType": detail_type(fields),
                "Detail": json.dumps(fields),
            }
            for fields in batch
        ]
        retry_until_accepted(entries, attempt)
        yield Delivery(batch)
