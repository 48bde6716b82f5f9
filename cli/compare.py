"""`streakline compare`: compare the learners' views in both generations, and explain what differs."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import batched
from typing import Any, NamedTuple

import click

from cli.log_events import events_of
from cli.output import print_json, progress_bar
from cli.stack import Stack, on_stack
from domain.catalog import Catalog
from domain.comparing import (
    REASONS,
    Comparison,
    Logged,
    Side,
    Unexplained,
    differences,
    due_awards,
    explain,
    is_moving,
    may_catch_up,
    side,
)
from domain.days import microseconds
from domain.generations import Colour, other
from domain.learner import Learner
from functions import items
from functions.errors import Unreadable
from functions.store import Store

READERS = 8
SEGMENTS = 4
"""Parts of a table that are scanned one after the other."""
MAX_READS = 20
"""Maximum attempts to read a learner who is written at the same time."""
MAX_LOOKS = 4
"""How often learners are read whose generations have not applied the same events."""
PAUSE_SECONDS = 2
READ_AT_ONCE = 500
"""The learners who are in memory at the same time."""
EXPLAINED_AT_ONCE = 1_000
"""The learners whose lines of the log are in memory at the same time."""
MAX_LISTED = 20


@click.command()
@click.option("--learners", help="Compare these learners only: ids, separated by commas.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@on_stack
def compare(stack: Stack, learners: str | None, as_json: bool) -> None:
    """Compare the learners' views in both generations.

    Compares what the same events must have made: sums, study days, contents, scores, results of exams, zones.
    What differs is folded from the event log, which explains it or does not. Exits with 1 if something is
    unexplained, if an award is due and missing, or if a learner can't be read.

    Example: streakline compare --learners ann,bob
    """
    chosen = None if learners is None else [each.strip() for each in learners.split(",") if each.strip()]
    with progress_bar() as progress:
        task = progress.add_task("learners", total=len(chosen) if chosen else None)
        found = compare_generations(stack, stack.live, chosen, lambda: progress.advance(task))
    if as_json:
        print_json({**asdict(found), "is_safe": found.is_safe})
    else:
        _print(found)
    if not found.is_safe:
        raise SystemExit(1)


def _print(found: Comparison) -> None:
    click.echo(
        f"{found.live} (live) and {found.built}: {found.learners:,} learners compared. "
        f"{found.equal:,} are equal, {found.differing:,} differ with an explanation, "
        f"{len(found.unexplained):,} without one. "
        f"{len(found.moving):,} are moving."
    )
    for reason, count in found.explained.items():
        click.echo(f"  explained: {count:7,}  {REASONS[reason]}")
    for one in found.unexplained[:MAX_LISTED]:
        whose = {"live": found.live, "built": found.built}.get(one.wrong, "both")
        click.echo(f"  unexplained: {one.user_id}; a fold of the log differs from {whose}:")
        for difference in one.differences[:5]:
            click.echo(
                f"    {difference.what}: {found.live} {difference.live}, {found.built} {difference.built}"
            )
    if len(found.unexplained) > MAX_LISTED:
        click.echo(f"  and {len(found.unexplained) - MAX_LISTED:,} more; --json lists all")
    for user_id, achievement_id in found.due_awards[:MAX_LISTED]:
        click.echo(f"  due and missing: {achievement_id} of {user_id}")
    for fault in found.unreadable[:MAX_LISTED]:
        click.echo(f"  unreadable: {fault}")
    if found.moving:
        click.echo(
            "Moving learners have events that one generation has not applied yet. Compare again later."
        )
    if not found.is_catalog_equal:
        click.echo("The catalogs differ.")


def compare_generations(
    stack: Stack,
    live: Colour,
    learners: Sequence[str] | None = None,
    on_progress: Callable[[], None] = lambda: None,
) -> Comparison:
    """Compare all learners of a stack's generations, or some. Raise ClickException if there is only one.

    `live`: the generation that counts as the live one. A caller that has asked the control table passes on
    what it found, so that a change or a wrong clock of this machine does not swap the sides.
    """
    comparer = Comparer(
        live,
        stack.generation(live),
        stack.generation(other(live)),
        stack.freezes,
        lambda users: events_of(stack, users),
        on_progress,
    )
    return comparer.compare(learners)


class _Pair(NamedTuple):
    """A learner in both generations."""

    user_id: str
    live: Side
    built: Side


@dataclass(slots=True)
class Comparer:
    """Compares two generations of the views."""

    colour: Colour
    """The live generation."""
    live: Store
    built: Store
    freezes: int
    log: Callable[[Collection[str]], Mapping[str, Sequence[Logged]]]
    """Returns all that the log has of some learners, in order of arrival."""
    on_progress: Callable[[], None] = lambda: None
    pause: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def compare(self, learners: Sequence[str] | None = None) -> Comparison:
        """Compare these learners, or all that are in one of the generations."""
        catalog = self.built.full_catalog()
        contents = [
            {code: certification.contents for code, certification in each.certifications.items()}
            for each in (self.live.full_catalog(), catalog)
        ]
        result = Comparison(self.colour, other(self.colour), is_catalog_equal=contents[0] == contents[1])
        left: list[str] = []
        with ThreadPoolExecutor(READERS) as pool:
            for user_id, found in self._settled(pool, learners):
                result = self._add(result, user_id, found, catalog)
                if isinstance(found, _Pair) and not _is_equal(found):
                    left.append(user_id)
        for some in batched(left, EXPLAINED_AT_ONCE):
            log = self.log(some)
            for user_id in some:
                result = self._explained(result, user_id, log.get(user_id, ()), catalog)
        return result

    def _settled(
        self, pool: ThreadPoolExecutor, learners: Sequence[str] | None
    ) -> Iterator[tuple[str, _Pair | Unreadable]]:
        """Yield learners in both generations, if possible after both have applied the same events."""
        waiting: Iterable[str] = self._all_learners() if learners is None else learners
        for attempt in range(MAX_LOOKS):
            again: list[str] = []
            for some in batched(waiting, READ_AT_ONCE):
                for user_id, found in pool.map(self._look, some):
                    if not attempt:
                        self.on_progress()
                    is_last = attempt == MAX_LOOKS - 1
                    if isinstance(found, _Pair) and is_moving(found.live, found.built) and not is_last:
                        again.append(user_id)
                    else:
                        yield user_id, found
            if not again:
                return
            self.pause(PAUSE_SECONDS)
            waiting = again

    def _add(
        self, result: Comparison, user_id: str, found: _Pair | Unreadable, catalog: Catalog
    ) -> Comparison:
        result = replace(result, learners=result.learners + 1)
        if isinstance(found, Unreadable):
            return replace(result, unreadable=(*result.unreadable, str(found)))
        if not _is_equal(found):
            return result
        due = [(user_id, one) for one in due_awards(found.live, found.built, catalog, self.freezes)]
        return replace(result, equal=result.equal + 1, due_awards=(*result.due_awards, *due))

    def _explained(
        self, result: Comparison, user_id: str, events: Sequence[Logged], catalog: Catalog
    ) -> Comparison:
        """Return the result with the explanation for one learner. The log was read before the learner is."""
        _, found = self._look(user_id)
        if isinstance(found, Unreadable):
            return replace(result, unreadable=(*result.unreadable, str(found)))
        due = [(user_id, one) for one in due_awards(found.live, found.built, catalog, self.freezes)]
        result = replace(result, due_awards=(*result.due_awards, *due))
        if _is_equal(found):
            return replace(result, equal=result.equal + 1)
        why = explain(found.live, found.built, events, catalog, self.freezes)
        if isinstance(why, set):
            counts = Counter(result.explained) + Counter(why)
            return replace(result, explained=dict(sorted(counts.items())))
        now = microseconds(self.now())
        if is_moving(found.live, found.built) and may_catch_up(found.live, found.built, events, now):
            return replace(result, learners=result.learners - 1, moving=(*result.moving, user_id))
        entry = Unexplained(user_id, why, differences(found.live, found.built))
        return replace(result, unexplained=(*result.unexplained, entry))

    # -- reading -----------------------------------------------------------------------------------

    def _look(self, user_id: str) -> tuple[str, _Pair | Unreadable]:
        """Return a learner as they are in both generations now."""
        try:
            return user_id, _Pair(user_id, self._read(self.live, user_id), self._read(self.built, user_id))
        except Unreadable as error:
            return user_id, error

    def _read(self, store: Store, user_id: str) -> Side:
        """Return a learner as they were under one version: the state is read before and after the items."""
        before = store.read_state(user_id)
        for _ in range(MAX_READS):
            days, applied = [], []
            for item in _items(store, user_id):
                sk = item["sk"]["S"]
                if items.is_day_sk(sk):
                    days.append(items.day_of(item))
                elif sk.startswith(items.APPLIED_PREFIX):
                    applied.append(items.applied_of(item))
            after = store.read_state(user_id)
            if after == before:
                return side(after or Learner(user_id), days, applied)
            before = after
        raise Unreadable(f"{user_id} is written all the time")

    def _all_learners(self) -> Iterator[str]:
        """Yield every learner of the live generation, then those whom only the other one has."""
        yield from _users(self.live)
        for some in batched(_users(self.built), 99):
            learners, _ = self.live.load(some)
            yield from (user_id for user_id in some if _is_absent(learners[user_id]))


def _is_equal(pair: _Pair) -> bool:
    return not differences(pair.live, pair.built)


def _is_absent(found: Learner | Unreadable) -> bool:
    return isinstance(found, Learner) and found.version == 0


def _users(store: Store) -> Iterable[str]:
    """Yield the learners in a table, and those whose state can't be read by the item's key."""
    for segment in range(SEGMENTS):
        after: Any = {}
        while after is not None:
            page, after = _page(store, segment, after)
            yield from page


def _page(store: Store, segment: int, after: Any) -> tuple[list[str], Any]:
    start = {"ExclusiveStartKey": after} if after else {}
    answer: Any = store.client.scan(
        TableName=store.table,
        Segment=segment,
        TotalSegments=SEGMENTS,
        FilterExpression="sk = :state",
        ProjectionExpression="pk",
        ExpressionAttributeValues={":state": {"S": items.STATE}},
        ConsistentRead=True,
        **start,
    )
    return [items.user_id_of(item) for item in answer["Items"]], answer.get("LastEvaluatedKey")


def _items(store: Store, user_id: str) -> Iterator[Any]:
    pages: Any = store.client.get_paginator("query").paginate(
        TableName=store.table,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": items.user_pk(user_id)}},
        ConsistentRead=True,
    )
    for page in pages:
        yield from page["Items"]
