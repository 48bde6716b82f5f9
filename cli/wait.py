"""`streakline wait`: wait until everything that was emitted is in the views or in quarantine."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import click
from rich.console import Console

from cli.manifest import Emitted, clear_manifest, fingerprint, read_manifest
from cli.output import print_json
from cli.quarantine import list_records
from cli.stack import Stack, on_stack

POLL_SECONDS = 0.5
MAX_UNFINISHED = 3
"""A poll stops after this many unfinished learners, because reading costs a local stack time to work."""

type Unfinished = dict[str, dict[int, set[int]]]
"""By learner and day: the digests that are not in the views yet."""


@click.command()
@click.option(
    "--timeout", type=float, default=300, show_default=True, metavar="SECONDS", help="How long to wait."
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@on_stack
def wait(stack: Stack, timeout: float, as_json: bool) -> None:
    """Wait until the views are up to date.

    Waits until each emitted interaction is in its learner's views or in quarantine. Covers all that
    `streakline emit` has sent since the last successful wait. Exits with 1 if interactions are still missing
    after the timeout.
    """
    entries = read_manifest()
    console = Console(stderr=True)
    with console.status("waiting") as status:
        found = find(stack, entries, timeout, lambda left: status.update(f"waiting for {left:,} learners"))
    if not found.missing:
        clear_manifest()
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
            f"{len(entries):,} emitted: {found.in_views:,} distinct interactions in the views, "
            f"{found.repeated:,} repetitions of them, {found.quarantined.total():,} in quarantine, "
            f"{found.missing:,} missing."
        )
    if found.missing:
        raise SystemExit(1)


@dataclass(frozen=True, slots=True)
class Found:
    """Where the emitted interactions are. The counts add up to their number."""

    in_views: int
    """Distinct interactions in the views."""
    repeated: int
    """Repetitions of interactions in the views."""
    quarantined: Counter[str]
    """By reason code."""
    missing: int
    seconds: float


def find(stack: Stack, entries: list[Emitted], timeout: float, on_progress: Callable[[int], None]) -> Found:
    """Poll until everything is found or the timeout (seconds) is over.

    `on_progress` is called at each poll with the number of learners that are not finished.
    """
    started = time.monotonic()
    unfinished: Unfinished = {}
    for entry in entries:
        if entry.day is not None:
            unfinished.setdefault(entry.user_id, {}).setdefault(entry.day, set()).add(entry.digest)
    code_of: dict[str, str] = {}
    while True:
        _remove_found(stack, unfinished)
        on_progress(len(unfinished))
        missing = [entry for entry in entries if not _is_in_views(entry, unfinished)]
        if missing and len(unfinished) <= MAX_UNFINISHED:
            code_of = {fingerprint(payload.data): record.code for record, payload in list_records(stack)}
        missing = [entry for entry in missing if entry.payload not in code_of]
        if not missing or time.monotonic() - started > timeout:
            break
        time.sleep(POLL_SECONDS)
    in_views = {
        (entry.user_id, entry.day, entry.digest) for entry in entries if _is_in_views(entry, unfinished)
    }
    quarantined = Counter(
        code_of[entry.payload]
        for entry in entries
        if entry.payload in code_of and (entry.user_id, entry.day, entry.digest) not in in_views
    )
    repeated = len(entries) - len(in_views) - quarantined.total() - len(missing)
    return Found(len(in_views), repeated, quarantined, len(missing), time.monotonic() - started)


def _is_in_views(entry: Emitted, unfinished: Unfinished) -> bool:
    if entry.day is None:
        return False
    return entry.digest not in unfinished.get(entry.user_id, {}).get(entry.day, ())


def _remove_found(stack: Stack, unfinished: Unfinished) -> None:
    """Remove what is in the views now. Stop after MAX_UNFINISHED learners who still lack something."""
    lacking = 0
    for user_id in list(unfinished):
        days = unfinished[user_id]
        stored = stack.store.read(user_id, min(days))
        for number in list(days):
            if stored and number in stored.days:
                days[number] -= stored.days[number].digests
            if not days[number]:
                del days[number]
        if not days:
            del unfinished[user_id]
        else:
            lacking += 1
            if lacking == MAX_UNFINISHED:
                return
