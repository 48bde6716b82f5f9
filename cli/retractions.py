"""Put retractions into the stream, and wait until the consumer has noted them."""

import json

import click

from cli.refold import POLL_SECONDS, Log
from cli.stack import Stack
from cli.stream import Record, put_records
from functions.refold import Refolder, kept_of


def emit_retractions(stack: Stack, identities: list[tuple[str, str, str]]) -> None:
    """Put retractions of these events (learner, UTC date, event_id) into the stream."""
    records = [
        Record(
            json.dumps({"event_id": event_id, "user_id": user_id, "retracted_on": utc_date}).encode(), user_id
        )
        for user_id, utc_date, event_id in identities
    ]
    for _ in put_records(stack, records):
        pass


def wait_until_retracted(log: Log, user_id: str, utc_day: int, digests: frozenset[int]) -> None:
    """Wait until the consumer has noted the retractions.

    Raise click.ClickException if it does not in time.
    """
    refolder: Refolder = log.refolder()
    began = log.clock()
    while True:
        applied = kept_of(refolder.read(user_id)).applied.get(utc_day)
        if applied is not None and digests <= applied.retracted:
            return
        if log.clock() - began >= log.lag:
            raise click.ClickException(
                "the consumer has not noted the retractions yet. They are in the stream and count from then "
                f"on; run `streakline refold {user_id}` when it has caught up"
            )
        log.pause(min(1, POLL_SECONDS))
