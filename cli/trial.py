"""Find out what the consumer would do with quarantined records now. It runs the consumer, without writes."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import click

from cli.quarantine import QuarantinedRecord
from cli.stack import Stack
from cli.stream import MAX_RECORD_BYTES, Record, make_record
from domain import progress_row
from domain.fold import Change
from domain.interaction import InvalidInteraction
from domain.learner import Learner
from domain.xapi import NotUnderstood, interaction_of
from functions.project import Projector
from functions.quarantine import BAD_ROW, NOT_UNDERSTOOD, VOIDED, Position, Quarantined
from functions.records import Received, read_data
from functions.store import Store, checked_items

NOT_INTERACTIONS = {"failed_change"}
"""Codes of records that don't belong into the stream of interactions."""


class Verdict(NamedTuple):
    """What would become of one interaction. A framed record has several."""

    record: Record
    """What to put into the stream."""
    refused: Quarantined | None
    """Its entry in quarantine, if the consumer would refuse it again."""


class Trial:
    """The consumer on a stack's views, but nothing is written."""

    def __init__(self, stack: Stack) -> None:
        store = _TrialStore(stack.store.client, stack.store.table)
        self._prefixes = stack.xapi_content_prefixes
        self._projector = Projector(store, stack.quarantine, stack.freezes)

    def judge(self, records: Sequence[QuarantinedRecord]) -> list[list[Verdict]]:
        """Return what would become of each record if it arrived now.

        Raise click.ClickException if the views or the catalog can't be read at present.
        """
        read = [_read(record, now(), self._prefixes) for record in records]
        outcome = self._projector.apply(one for parts in read for one in parts)
        if outcome.errors:
            raise click.ClickException(
                f"can't check records against the views, so they stay in quarantine: {outcome.errors[0]!r}"
            )
        refused = {entry.position: entry for entry in outcome.quarantined}
        refused |= {entry.position: entry for trouble in outcome.troubles for entry in trouble.refused()}
        return [
            [_verdict(record, part, refused.get(part.position)) for part in parts]
            for record, parts in zip(records, read, strict=True)
        ]


def now() -> datetime:
    """Return the time at which the records would arrive."""
    return datetime.now(UTC)


def _read(
    record: QuarantinedRecord, arrived_at: datetime, prefixes: Sequence[str]
) -> list[Received | Quarantined]:
    shard, _, number = record.position.partition(":")
    position = Position(shard, number)
    if record.code == VOIDED:
        reason = f"{record.reason}; `streakline retract --voided` does that"
        return [Quarantined(record.payload.data, VOIDED, reason, position, arrived_at)]
    if record.code in NOT_INTERACTIONS:
        return [Quarantined(record.payload.data, record.code, record.reason, position, arrived_at)]
    if record.code == NOT_UNDERSTOOD:
        # A release that understands more makes an interaction of it.
        try:
            fields = interaction_of(json.loads(record.payload.data), prefixes)
        except NotUnderstood as error:
            return [Quarantined(record.payload.data, NOT_UNDERSTOOD, str(error), position, arrived_at)]
        return read_data(json.dumps(fields).encode(), position, arrived_at)
    if record.code == BAD_ROW:
        try:
            fields = progress_row.interaction_of(json.loads(record.payload.data), arrived_at)
        except InvalidInteraction as error:
            return [Quarantined(record.payload.data, BAD_ROW, str(error), position, arrived_at)]
        return read_data(json.dumps(fields).encode(), position, arrived_at)
    return read_data(record.payload.data, position, arrived_at)


def _verdict(record: QuarantinedRecord, part: Received | Quarantined, refused: Quarantined | None) -> Verdict:
    whole = part.payload == record.payload.data
    back = record.payload if whole else make_record(part.payload)
    if refused is None and len(back.data) + len(back.key) > MAX_RECORD_BYTES:
        refused = Quarantined(
            part.payload, record.code, "it is too large for the stream", part.position, record.arrived_at
        )
    return Verdict(back, refused and refused._replace(arrived_at=record.arrived_at))


class _TrialStore(Store):
    """The views table without writes. A commit only checks that DynamoDB can accept it."""

    def commit(self, change: Change, *, silent: bool = False) -> Learner | None:
        """Raise TooLarge if DynamoDB can't accept the change. Otherwise act as if it were written."""
        checked_items(change, silent)
        return None
