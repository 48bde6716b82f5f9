"""`streakline wait`: wait until everything that was emitted is in the views or in quarantine."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import click
from rich.console import Console

from cli.manifest import Emitted, clear_manifest, fingerprint, manifest_of, read_manifest
from cli.output import print_json
from cli.quarantine import Listing, read_quarantine
from cli.stack import Stack, on_stack
from functions.errors import Unreadable

POLL_SECONDS = 0.5
MAX_UNFINISHED = 3
"""A poll stops after this many unfinished learners, because reading costs a local stack time to work."""
QUARANTINE_SECONDS = 5
"""Time between two looks into quarantine while more learners than that are unfinished."""
MAX_LISTED = 20
"""Maximum learners that are listed by name."""


@click.command()
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@on_stack
def wait(stack: Stack, timeout: float, as_json: bool) -> None:
    """Wait until the views are up to date.

    Waits until each emitted interaction is in its learner's views or in quarantine. Covers all that
    `streakline emit` has sent since the last successful wait. After the timeout it looks once more at every
    learner and into quarantine, which can take a while, says what is missing, and exits with 1.

    Example: streakline wait --timeout 60
    """
    manifest = manifest_of(stack)
    entries = read_manifest(manifest)
    console = Console(stderr=True)
    with console.status("waiting") as status:
        found = find(stack, entries, timeout, lambda left: status.update(f"waiting for {left:,} learners"))
    if not found.missing:
        clear_manifest(manifest)
    if as_json:
        print_json(
            {
                "emitted": len(entries),
                "in_views": found.in_views,
                "repeated": found.repeated,
                "quarantined": dict(found.quarantined),
                "missing": found.missing,
                "missing_by_learner": dict(found.missing_by_learner.most_common()),
                "missing_invalid": found.missing_invalid,
                "looked_into_quarantine": found.quarantine is not None,
                "seconds": round(found.seconds, 1),
            }
        )
    else:
        click.echo(
            f"{len(entries):,} emitted: {found.in_views:,} distinct interactions in the views, "
            f"{found.repeated:,} repetitions of them, {found.quarantined.total():,} in quarantine, "
            f"{found.missing:,} missing."
        )
        _print_missing(found)
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
    missing_by_learner: Counter[str]
    missing_invalid: int
    """Invalid interactions that are not in quarantine, the only place where they can be."""
    quarantine: Listing | None
    """What the last look into quarantine found; None if none was necessary."""
    seconds: float

    @property
    def missing(self) -> int:
        """The number of interactions that are neither in the views nor in quarantine."""
        return self.missing_by_learner.total() + self.missing_invalid


def _print_missing(found: Found) -> None:
    if not found.missing:
        return
    learners = found.missing_by_learner.most_common()
    for user_id, count in learners[:MAX_LISTED]:
        click.echo(f"  missing: {count:7,}  of learner {user_id}")
    if len(learners) > MAX_LISTED:
        count = sum(count for _, count in learners[MAX_LISTED:])
        click.echo(f"  missing: {count:7,}  of {len(learners) - MAX_LISTED:,} more learners")
    if found.missing_invalid:
        click.echo(
            f"  missing: {found.missing_invalid:7,}  that are invalid, so only quarantine can hold them"
        )
    if found.quarantine is None:
        click.echo("Quarantine was not looked into.")
        return
    click.echo(f"Quarantine was looked into: it has {len(found.quarantine.records):,} records.")
    if found.quarantine.in_flight or found.quarantine.bad_letters:
        click.echo(
            f"About {found.quarantine.in_flight:,} of its messages were hidden by another reader, and "
            f"{len(found.quarantine.bad_letters):,} can't be read."
        )


def find(stack: Stack, entries: list[Emitted], timeout: float, on_progress: Callable[[int], None]) -> Found:
    """Poll until everything is found or the timeout (seconds) is over. Then look once more at everything.

    `on_progress` is called with the number of learners that are not finished.
    """
    started = last_look = time.monotonic()
    search = _Search(stack, entries)
    is_last = False
    while True:
        search.look_into_views(on_progress, None if is_last else MAX_UNFINISHED)
        if search.missing():
            now = time.monotonic()
            few = search.count_unfinished() <= MAX_UNFINISHED
            if is_last or few or now - last_look > QUARANTINE_SECONDS:
                search.look_into_quarantine()
                last_look = now
        if is_last or not search.missing():
            return search.found(time.monotonic() - started)
        is_last = time.monotonic() - started > timeout
        if not is_last:
            time.sleep(POLL_SECONDS)


class _Search:
    """Looks for emitted interactions, and remembers which it has found."""

    def __init__(self, stack: Stack, entries: list[Emitted]) -> None:
        self._stack = stack
        self._entries = entries
        self._not_in_views: dict[str, dict[int, set[int]]] = {}
        """By learner and UTC day: the digests that are not in the views yet."""
        for entry in entries:
            if entry.utc_day is not None:
                days = self._not_in_views.setdefault(entry.user_id, {})
                days.setdefault(entry.utc_day, set()).add(entry.digest)
        self._code_of: dict[str, str] = {}
        """The reason codes of what is in quarantine, by fingerprint."""
        self._quarantine: Listing | None = None

    def look_into_views(self, on_progress: Callable[[int], None], most_unfinished: int | None) -> None:
        """Remember what is in the views now. Stop after this many learners who still lack something.

        A learner is skipped if quarantine has everything else of theirs, unless nothing stops this look.
        """
        unfinished = {entry.user_id for entry in self.missing()}
        looked = 0
        for user_id in list(self._not_in_views):
            if most_unfinished is not None and user_id not in unfinished:
                continue
            on_progress(len(unfinished))
            days = self._not_in_views[user_id]
            try:
                applied = self._stack.store.read_applied(user_id, days)
            except Unreadable:
                applied = {}
            for number in list(days):
                days[number] -= applied.get(number, frozenset())
                if not days[number]:
                    del days[number]
            if not days:
                del self._not_in_views[user_id]
                unfinished.discard(user_id)
            elif user_id in unfinished:
                looked += 1
                if looked == most_unfinished:
                    return

    def look_into_quarantine(self) -> None:
        """Remember what is in quarantine now."""
        self._quarantine = read_quarantine(self._stack)
        self._code_of = {fingerprint(record.payload.data): record.code for record in self._quarantine.records}

    def missing(self) -> list[Emitted]:
        """Return what is neither in the views nor in quarantine, as of the last looks."""
        return [e for e in self._entries if not self._is_in_views(e) and e.payload not in self._code_of]

    def count_unfinished(self) -> int:
        """Return the number of learners of whom something is missing."""
        return len({entry.user_id for entry in self.missing() if entry.utc_day is not None})

    def found(self, seconds: float) -> Found:
        """Return the result."""
        missing = self.missing()
        in_views = {_identity(entry) for entry in self._entries if self._is_in_views(entry)}
        quarantined = Counter(
            self._code_of[entry.payload]
            for entry in self._entries
            if entry.payload in self._code_of and _identity(entry) not in in_views
        )
        by_learner = Counter(entry.user_id for entry in missing if entry.utc_day is not None)
        return Found(
            in_views=len(in_views),
            repeated=len(self._entries) - len(in_views) - quarantined.total() - len(missing),
            quarantined=quarantined,
            missing_by_learner=by_learner,
            missing_invalid=len(missing) - by_learner.total(),
            quarantine=self._quarantine,
            seconds=seconds,
        )

    def _is_in_views(self, entry: Emitted) -> bool:
        if entry.utc_day is None:
            return False
        return entry.digest not in self._not_in_views.get(entry.user_id, {}).get(entry.utc_day, ())


def _identity(entry: Emitted) -> tuple[str, int | None, int]:
    return entry.user_id, entry.utc_day, entry.digest
