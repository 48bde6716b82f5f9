"""Carry out voiding xAPI statements in quarantine: retract what they take back, which the log has."""

import json
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import batched
from typing import NamedTuple

import click

from cli.athena import log_queries, run
from cli.output import doing, print_json
from cli.quarantine import Entries, Entry
from cli.refold import Corrected, Log, refold_learner
from cli.retractions import emit_retractions, wait_until_retracted
from cli.stack import Stack
from domain.days import day_number
from domain.interaction import digest_of
from domain.xapi import NotUnderstood, Voids, interaction_of
from functions.log_views import facts_with_ids
from functions.quarantine import VOIDED

IDS_PER_QUERY = 1000
"""A query has at most 256 KiB."""

type Identity = tuple[str, str, str]
"""Learner, UTC date and event_id."""


class Left(NamedTuple):
    """A voiding statement that stays in quarantine."""

    statement_id: str
    """The id of the statement that it takes back, or its position if it has none."""
    why: str


def retract_voided(stack: Stack, *, as_json: bool) -> None:
    """Retract what the voiding statements in quarantine name, and fold these learners anew.

    A statement leaves quarantine as soon as its retraction is in the stream. Exit with 1 if a learner could
    not be folded anew: the retraction counts, and `streakline refold` repeats the rest.
    """
    with doing("reading quarantine"), Entries(stack) as entries:
        entry_of: dict[str, list[Entry]] = {}
        left: list[Left] = []
        for letter in entries:
            if isinstance(letter, Entry) and letter.records[0].code == VOIDED:
                if target := _target(letter):
                    entry_of.setdefault(target, []).append(letter)
                else:
                    left.append(Left(letter.records[0].position, "it is no voiding statement"))
        found = _find(stack, list(entry_of))
        left += [Left(target, why) for target in entry_of if (why := _why_not(found[target]))]
        retracted = [
            identity
            for target in entry_of
            if not _why_not(found[target])
            for identity in sorted(found[target])
        ]
        emit_retractions(stack, retracted)
        done = set(entry_of) - {one.statement_id for one in left}
        entries.remove(entry for target in done for entry in entry_of[target])
    folded, failed = _fold_anew(stack, retracted)
    _report(retracted, folded, left, failed, as_json=as_json)
    if failed:
        raise SystemExit(1)


def _target(entry: Entry) -> str | None:
    """Return the id of the statement that one in quarantine takes back; None if it is no such statement."""
    try:
        interaction_of(json.loads(entry.records[0].payload.data))
    except Voids as voids:
        return voids.target
    except (NotUnderstood, ValueError):
        pass
    return None


def _find(stack: Stack, statement_ids: Sequence[str]) -> dict[str, set[Identity]]:
    """Return the identities of the events with these ids."""
    found: dict[str, set[Identity]] = {one: set() for one in statement_ids}
    for some in batched(statement_ids, IDS_PER_QUERY):
        for row in run(stack, facts_with_ids(some, log_queries(stack).engine)):
            event_id = str(row["event_id"])
            found[event_id].add((str(row["user_id"]), str(row["utc_day"]), event_id))
    return found


def _why_not(identities: set[Identity]) -> str:
    """Return why a statement can't be taken back; nothing if it can."""
    if not identities:
        return "the event log has no interaction with this id; it lags behind the stream by some minutes"
    if len({user_id for user_id, _, _ in identities}) > 1:
        return "several learners have an interaction with this id"
    return ""


def _fold_anew(stack: Stack, retracted: Sequence[Identity]) -> tuple[dict[str, Corrected], dict[str, str]]:
    """Fold each learner anew, and return the results, and why some could not be."""
    log = Log(stack)
    folded: dict[str, Corrected] = {}
    failed: dict[str, str] = {}
    for user_id in dict.fromkeys(user_id for user_id, _, _ in retracted):
        with doing(f"folding {user_id} from the event log"):
            try:
                for day, digests in _digests(retracted, user_id):
                    wait_until_retracted(log, user_id, day, digests)
                folded[user_id] = refold_learner(log, user_id)
            except click.ClickException as error:
                failed[user_id] = error.message
    return folded, failed


def _digests(retracted: Sequence[Identity], user_id: str) -> Iterator[tuple[int, frozenset[int]]]:
    """Yield each UTC day on which a learner's events were taken back, with their digests."""
    for day in sorted({day for owner, day, _ in retracted if owner == user_id}):
        ids = {event_id for owner, on, event_id in retracted if (owner, on) == (user_id, day)}
        yield day_number(date.fromisoformat(day)), frozenset(map(digest_of, ids))


def _report(
    retracted: Sequence[Identity],
    folded: dict[str, Corrected],
    left: Sequence[Left],
    failed: dict[str, str],
    *,
    as_json: bool,
) -> None:
    if as_json:
        print_json(
            {
                "retracted": [
                    {"user_id": user_id, "utc_day": day, "event_id": event_id}
                    for user_id, day, event_id in retracted
                ],
                "changed": {user_id: list(one.folded.changed) for user_id, one in folded.items()},
                "left": [one._asdict() for one in left],
                "failed": failed,
            }
        )
        return
    click.echo(f"{len(retracted):,} interactions were taken back, of {len(folded) + len(failed):,} learners.")
    for one in left:
        click.echo(f"  stays in quarantine: {one.statement_id}: {one.why}")
    for user_id, why in failed.items():
        click.echo(f"  not folded anew: {user_id}: {why}", err=True)
