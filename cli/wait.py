"""`streakline wait`: returns when all that was emitted is in the views, or in quarantine."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import click
from rich.console import Console

from cli.manifest import Emitted, fingerprint, forget, noted
from cli.quarantine import look
from cli.stack import Stack, on_stack, print_json

PAUSE = 0.5
"""Seconds between two looks."""
LOOK_AT = 3
"""Unfinished learners at a look: looking is work for the same machine, where the stack is local."""


@click.command()
@click.option("--timeout", type=float, default=300, show_default=True, help="Seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@on_stack
def wait(stack: Stack, timeout: float, as_json: bool) -> None:
    """Wait until every emitted interaction is found in its learner's view or in quarantine.

    Exits with 1 when some are missing after the timeout.
    """
    entries = noted()
    console = Console(stderr=True)
    with console.status("waiting") as status:
        found = find(stack, entries, timeout, lambda left: status.update(f"waiting for {left:,} learners"))
    if not found.missing:
        forget()
    if as_json:
        print_json(
            {
                "emitted": len(entries),
                "in_views": found.in_views,
                "repeated": found.repeated,
                "quarantined": dict(found.quarantined),
                "missing": found.missing,
                "seconds": round(found.seconds, 1),
            }
        )
    else:
        click.echo(
            f"{len(entries):,} emitted: {found.in_views:,} interactions in the views, {found.repeated:,} "
            f"repetitions of these, {found.quarantined.total():,} in quarantine, {found.missing:,} missing."
        )
    if found.missing:
        raise SystemExit(1)


@dataclass(frozen=True, slots=True)
class Found:
    """Where emitted interactions are. `in_views` counts distinct ones."""

    in_views: int
    repeated: int
    quarantined: Counter[str]
    missing: int
    seconds: float


def find(stack: Stack, entries: list[Emitted], timeout: float, tell: Callable[[int], None]) -> Found:
    """Look until everything is found, or the timeout (seconds) is over. `tell`: learners left."""
    begun = time.monotonic()
    open_days: dict[str, dict[int, set[int]]] = {}
    for entry in entries:
        if entry.day is not None:
            open_days.setdefault(entry.user_id, {}).setdefault(entry.day, set()).add(entry.digest)
    held: dict[str, str] = {}
    while True:
        _drop_found(stack, open_days)
        tell(len(open_days))
        missing = [entry for entry in entries if _is_open(entry, open_days, held)]
        if missing and len(open_days) <= LOOK_AT:
            held = {fingerprint(record.data): one.code for one, record in look(stack)}
            missing = [entry for entry in missing if entry.payload not in held]
        if not missing or time.monotonic() - begun > timeout:
            break
        time.sleep(PAUSE)
    in_views = {
        (entry.user_id, entry.day, entry.digest)
        for entry in entries
        if entry.day is not None and entry.digest not in open_days.get(entry.user_id, {}).get(entry.day, ())
    }
    quarantined = Counter(
        held[entry.payload]
        for entry in entries
        if entry.payload in held and (entry.user_id, entry.day, entry.digest) not in in_views
    )
    repeated = len(entries) - len(in_views) - quarantined.total() - len(missing)
    return Found(len(in_views), repeated, quarantined, len(missing), time.monotonic() - begun)


def _is_open(entry: Emitted, open_days: dict[str, dict[int, set[int]]], held: dict[str, str]) -> bool:
    if entry.payload in held:
        return False
    return entry.day is None or entry.digest in open_days.get(entry.user_id, {}).get(entry.day, ())


def _drop_found(stack: Stack, open_days: dict[str, dict[int, set[int]]]) -> None:
    """Drop what is in the views. After the first learners with something left, the rest can wait too."""
    unfinished = 0
    for user_id in list(open_days):
        days = open_days[user_id]
        stored = stack.store.read(user_id, min(days))
        for number in list(days):
            if stored and number in stored.days:
                days[number] -= stored.days[number].digests
            if not days[number]:
                del days[number]
        if not days:
            del open_days[user_id]
        else:
            unfinished += 1
            if unfinished == LOOK_AT:
                return
