"""Read records of the stream: the valid events in each, and the entries of the quarantine for the others."""

from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from domain.days import microseconds
from domain.events import Event, parse_record
from domain.interaction import Fault, InvalidInteraction
from functions.framing import UnreadableFrame, unframe
from functions.quarantine import Position, Quarantined

MAX_DELAY = 2 * 24 * 60 * 60 * 1_000_000
"""Microseconds between an interaction and its arrival. A longer delay is counted as late."""


class Received(NamedTuple):
    """A valid interaction or exam result, with the record that contained it."""

    interaction: Event
    payload: bytes
    position: Position
    arrived_at: datetime

    @property
    def is_late(self) -> bool:
        """Return whether the interaction arrived more than two days after it occurred."""
        return microseconds(self.arrived_at) - self.interaction.at > MAX_DELAY

    def refused(self, code: str, reason: str) -> Quarantined:
        """Return the record's entry in quarantine."""
        return Quarantined(self.payload, code, reason, self.position, self.arrived_at)


def read_record(record: Mapping[str, Any]) -> list[Received | Quarantined]:
    """Return the interactions in a record of a Kinesis event, or their quarantine entries if invalid."""
    kinesis = record["kinesis"]
    position = Position(record["eventID"].partition(":")[0], kinesis["sequenceNumber"])
    arrived_at = datetime.fromtimestamp(float(kinesis["approximateArrivalTimestamp"]), UTC)
    return read_data(b64decode(kinesis["data"]), position, arrived_at)


def read_data(data: bytes, position: Position, arrived_at: datetime) -> list[Received | Quarantined]:
    """Return the interactions in a record's data, each judged alone, or their quarantine entries if invalid.

    Interactions in a framed record have positions of their own.
    """
    read = read_event(data, position, arrived_at)
    if isinstance(read, Received) or read.code != "malformed":
        return [read]
    # It is not one JSON object. Only such records can have a frame.
    try:
        parts = unframe(data)
    except UnreadableFrame as error:
        return [_unreadable(data, str(error), position, arrived_at)]
    if not parts:
        return [read]
    return [
        read_event(part.payload, position._replace(part=number), arrived_at)
        if part.fault is None
        else _unreadable(part.payload, part.fault, position._replace(part=number), arrived_at)
        for number, part in enumerate(parts, 1)
    ]


def read_event(payload: bytes, position: Position, arrived_at: datetime) -> Received | Quarantined:
    """Return the event in the payload of one part of a record, or its quarantine entry if it is invalid."""
    try:
        return Received(parse_record(payload, arrived_at), payload, position, arrived_at)
    except InvalidInteraction as error:
        return Quarantined(payload, error.code, str(error), position, arrived_at, error.faults)


def _unreadable(payload: bytes, fault: str, position: Position, arrived_at: datetime) -> Quarantined:
    return Quarantined(payload, "malformed", fault, position, arrived_at, (Fault("", fault),))
