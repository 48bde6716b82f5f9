"""Checks at the end of a history: the views equal their recomputation, and every record is accounted for."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product

from tests.simulation import recompute
from tests.simulation.comparison import comparable
from tests.simulation.dynamo import Item, Key
from tests.simulation.faults import Violation
from tests.simulation.history import History, Known, Record
from tests.simulation.invariants import REDRIVABLE
from tests.simulation.quarantine import Message
from tests.simulation.reading import (
    Event,
    Exam,
    Identity,
    Interaction,
    StoredCatalog,
    day_number,
    digests_of,
    read,
)

type Digests = Mapping[tuple[str, int], set[bytes]]
"""Digests of the applied interactions, by learner and number of the UTC day."""
type View = dict[Key, Item]
"""The items of one learner."""


@dataclass(frozen=True, slots=True)
class FinalState:
    """Everything that is left when a history has ended."""

    history: History
    items: Mapping[Key, Item]
    sent: Mapping[str, Record]
    """Every record without its frame, by position."""
    expired: frozenset[str]
    """Positions of the records that were given up because of their age, and redriven to another position."""
    messages: list[Message]
    """The quarantine."""
    seen: Counter[str]
    by_next: frozenset[tuple[str, int, bytes]]
    """What the next release applied: learner, UTC day and digest."""
    awarded_by_next: frozenset[Key]
    """Keys of the awards that the next release gave."""
    erased: frozenset[str]
    """The learners who were erased."""


@dataclass(slots=True)
class Applied:
    """An identity that is in the views."""

    variants: list[Event] = field(default_factory=list)
    """The different events that were sent with it. Only one of them was applied."""
    payloads: set[bytes] = field(default_factory=set)
    """The different spellings in which they were sent."""


@dataclass(slots=True)
class Account:
    """What became of the valid records of known content."""

    applied: dict[str, dict[Identity, Applied]] = field(default_factory=dict)
    """Identities by learner."""
    full: set[Identity] = field(default_factory=set)
    """Refused as `state_full`."""
    redriven: dict[Identity, str] = field(default_factory=dict)
    """Position of each that was refused as unknown and is not in the views, although it was redriven."""


def check(state: FinalState) -> None:
    """Raise Violation if the final state is wrong."""
    _check_erased(state)
    catalog = StoredCatalog.of(state.items, state.history.circumstances.ordinals_per_part)
    _check_catalog(state.history, catalog)
    digests = _digests(state.items)
    account = _account(state, catalog, digests)
    if lost := account.redriven.keys() - account.full:
        position = account.redriven[min(lost)]
        raise Violation(f"{position} is lost: it was redriven, but the views lack it")
    distinct = sum(map(len, account.applied.values()))
    state.seen["distinct"] += distinct
    _count_identities(state.seen, account)
    applied = {(user, number, digest) for (user, number), of_day in digests.items() for digest in of_day}
    state.seen["interactions that the next release applied"] += len(applied & state.by_next)
    state.seen["histories of two releases"] += bool(applied & state.by_next) and bool(applied - state.by_next)
    if sum(map(len, digests.values())) != distinct:
        raise Violation("the views have digests of interactions that were never sent")
    if state.history.circumstances.counts_rarity:
        _check_rarity(state.items)
    _check_views(state, catalog, account)


def _check_catalog(history: History, catalog: StoredCatalog) -> None:
    """Check the stored catalog against the content table's changes."""
    expected: dict[tuple[str, str], tuple[str, str, bool, int, Known]] = {}
    for batch in history.rows:
        for row in batch:
            place = row.certification, row.content
            if row.image is not None:
                expected[place] = row.category, row.difficulty, True, row.questions, row.known
            elif place in expected:
                category, difficulty, _, questions, known = expected[place]
                expected[place] = category, difficulty, False, questions, known
    found = {
        (c.certification, c.content): (c.category, c.difficulty, c.active, c.questions, c.known)
        for c in catalog.contents
    }
    if found != expected or len(found) != len(catalog.contents):
        raise Violation("the catalog differs from the content table")


def _count_identities(seen: Counter[str], account: Account) -> None:
    """Count identities with several variants, and event_ids with several identities."""
    for identities in account.applied.values():
        for applied in identities.values():
            seen["ambiguous identities"] += len(applied.variants) > 1
            days = {each.day for each in applied.variants if isinstance(each, Interaction)}
            seen["identities on several local days"] += len(days) > 1
            seen["results of exams"] += isinstance(applied.variants[0], Exam)
        event_ids = Counter(event_id for _, _, event_id in identities)
        seen["event_ids on several UTC days"] += sum(count > 1 for count in event_ids.values())


def _digests(items: Mapping[Key, Item]) -> Digests:
    """Return the digests in the views."""
    found: dict[tuple[str, int], set[bytes]] = {}
    for (pk, sk), item in items.items():
        in_item = digests_of(sk, item)
        if not in_item:
            continue
        number = in_item[0][0]
        digests = {digest for _, digest in in_item}
        key = pk.removeprefix("USER#"), number
        if key in found or len(digests) != len(in_item):
            raise Violation(f"{pk}: the digests of UTC day {number} are stored twice")
        found[key] = digests
    return found


# -- records -----------------------------------------------------------------------------------------


def _account(state: FinalState, catalog: StoredCatalog, digests: Digests) -> Account:
    """Check that each record was applied or rightly refused, and return what became of it."""
    quarantined: dict[str, set[str]] = {}
    for message in state.messages:
        quarantined.setdefault(message.position, set()).add(message.code)
    account = Account()
    for position, record in state.sent.items():
        if position not in state.expired:
            codes = quarantined.get(position, set())
            if record.user in state.erased:
                # Dropped, or refused before.
                state.seen["records of erased learners"] += 1
                continue
            event = _accepted(state, catalog, digests, position, record, codes)
            if event is not None:
                _add(account, state, digests, position, event, codes)
    return account


def _accepted(
    state: FinalState,
    catalog: StoredCatalog,
    digests: Digests,
    position: str,
    record: Record,
    codes: set[str],
) -> Event | None:
    """Check the reasons for which a record was refused. Return it if it is valid and its content known."""
    may_refuse = state.history.circumstances.may_refuse
    event = read(record)
    if event is None:
        if not codes or not codes <= {"malformed", "invalid", "too_early", "unknown_timezone"}:
            raise Violation(f"{position} is invalid, but quarantined for {sorted(codes)}")
        state.seen["invalid records"] += 1
        return None
    if not catalog.knows(event):
        if not codes and _is_applied(event, digests):
            # Another variant of the same identity, which has known content, came first.
            state.seen["duplicates of unknown content"] += 1
        elif not codes or not codes <= REDRIVABLE | ({"state_full"} if may_refuse else set()):
            raise Violation(f"{position} is of unknown content, but quarantined for {sorted(codes)}")
        return None
    if "state_full" in codes and may_refuse:
        state.seen["refused as state_full"] += 1
    elif not codes <= REDRIVABLE:
        raise Violation(f"{position} is valid, but quarantined for {sorted(codes)}")
    return event


def _add(
    account: Account,
    state: FinalState,
    digests: Digests,
    position: str,
    event: Event,
    codes: set[str],
) -> None:
    """Add a valid event of known content to the account."""
    identity = event.identity
    if _is_applied(event, digests):
        identities = account.applied.setdefault(event.user, {})
        applied = identities.setdefault(identity, Applied())
        payload = state.sent[position].payload
        if applied.variants:
            state.seen["duplicates"] += 1
        if event not in applied.variants:
            applied.variants.append(event)
        elif payload not in applied.payloads:
            state.seen["respelled retries"] += 1
        applied.payloads.add(payload)
    elif "state_full" in codes:
        account.full.add(identity)
    elif codes:
        account.redriven[identity] = position
    else:
        raise Violation(f"{position} is lost: {identity} is neither in the views nor in quarantine")


def _is_applied(event: Event, digests: Digests) -> bool:
    return event.digest in digests.get((event.user, day_number(event.utc_day)), ())


# -- views -------------------------------------------------------------------------------------------


def _check_erased(state: FinalState) -> None:
    """Check that nothing is left of erased learners but their tombstones."""
    for user in sorted(state.erased):
        left = sorted(sk for pk, sk in state.items if pk == f"USER#{user}")
        if left != ["STATE"]:
            raise Violation(f"the erased learner {user} still has {left}")
        tombstone = state.items[f"USER#{user}", "STATE"]
        if tombstone.keys() != {"pk", "sk", "version", "erased_at", "expires_at"}:
            raise Violation(f"the tombstone of {user} has {sorted(tombstone)}")


def _check_rarity(items: Mapping[Key, Item]) -> None:
    """Check that each learner who is not erased, and each award, is counted once."""
    expected = Counter(
        "LEARNERS" if sk == "STATE" else f"HELD#{sk.removeprefix('EARNED#')}"
        for (_, sk), item in items.items()
        if sk.startswith("EARNED#") or (sk == "STATE" and "erased_at" not in item)
    )
    found: Counter[str] = Counter()
    for (pk, sk), item in items.items():
        if pk == "RARITY":
            found[sk.rpartition("#")[0]] += int(item["learners"]["N"])
    if {name: count for name, count in found.items() if count} != expected:
        raise Violation(f"the counters are {dict(found)}, and there are {dict(expected)}")


def _check_views(state: FinalState, catalog: StoredCatalog, account: Account) -> None:
    """Compare every item of every learner with its recomputation."""
    views: dict[str, View] = {}
    for key, item in state.items.items():
        if key[0] not in ("CATALOG", "RARITY") and key[1] != "COUNTED":
            views.setdefault(key[0], {})[key] = item
    for user, identities in account.applied.items():
        view = views.pop(f"USER#{user}", {})
        _check_learner(state, catalog, user, [applied.variants for applied in identities.values()], view)
    if views.keys() - {f"USER#{user}" for user in state.erased}:
        raise Violation(f"no record accounts for the items of {sorted(views)}")


def _check_learner(
    state: FinalState, catalog: StoredCatalog, user: str, variants: list[list[Event]], view: View
) -> None:
    """Check that one choice among the variants of each ambiguous identity accounts for all items."""
    violations: list[tuple[int, str]] = []
    for choice in product(*variants):
        left = dict(view)
        try:
            _check_choice(state, catalog, user, choice, left)
        except Violation as violation:
            violations.append((len(left), str(violation)))
        else:
            return
    _, closest = min(violations)
    if len(violations) > 1:
        closest = f"{user}: no choice among {len(violations)} fits; the closest one: {closest}"
    raise Violation(closest)


def _check_choice(
    state: FinalState, catalog: StoredCatalog, user: str, events: Iterable[Event], view: View
) -> None:
    """Check that these events account for all items of a learner. Remove these items from the view."""
    c = state.history.circumstances

    def by_next(event: Event) -> bool:
        return (user, day_number(event.utc_day), event.digest) in state.by_next

    expected = recompute.learner(user, events, catalog, c.freezes, c.catalog_first, by_next)
    for key, item in expected.items.items():
        if key not in view:
            raise Violation(f"{key} is missing")
        found = view.pop(key)
        if key[1] == "STATE":
            for attribute in expected.undecided_zones & found.keys():
                # Either release may have set it first.
                item, found = _with_plain_zone(item, attribute), _with_plain_zone(found, attribute)
        _compare(key, found, item, c.content_moves and not c.catalog_first)
        if key[1] == "STATE":
            earned = json.loads(found["earned"]["S"])
            _check_awards(state, user, expected, earned, view)
            _check_mastered(user, found, earned)
    if view:
        raise Violation(f"no record accounts for the items {sorted(view)}")
    state.seen["awards"] += len(earned)


def _compare(key: Key, found: Item, expected: Item, content_moves: bool) -> None:
    stored = comparable(found, content_moves)
    recomputed = comparable(expected, content_moves)
    if stored != recomputed:
        raise Violation(
            f"{key} differs from its recomputation:\n  stored:     {stored}\n  recomputed: {recomputed}"
        )


def _with_plain_zone(item: Item, attribute: str) -> Item:
    """Return an item whose zone has only its time and its name."""
    return {**item, attribute: {"S": json.dumps(json.loads(item[attribute]["S"])[:2])}}


def _check_awards(
    state: FinalState, user: str, expected: recompute.Recomputed, earned: list[str], view: View
) -> None:
    """Check the achievements in a learner's state and their items, and remove those items from the view."""
    if not expected.due <= set(earned) or not {_base(name) for name in earned} <= expected.possible.keys():
        raise Violation(
            f"{user} earned {earned}; due {sorted(expected.due)}, possible {sorted(expected.possible)}"
        )
    if earned != sorted(set(earned)):
        raise Violation(f"{user}: {earned} is not sorted, or has duplicates")
    for name in earned:
        key = f"USER#{user}", f"EARNED#{name}"
        item = view.pop(key, None)
        if item is None:
            raise Violation(f"{user} earned {name}, but there is no item for it")
        award = json.loads(item["award"]["S"])
        if (award["achievement_id"], award["points"]) != (name, expected.possible[_base(name)]):
            raise Violation(f"{user}: the award of {name} is {award}")
        if ("level" in award) != (key in state.awarded_by_next):
            raise Violation(f"{user}: the fields of {award} are not those of the release that gave it")
        if award["earned_at"] not in expected.instants:
            raise Violation(f"{user}: no interaction occurred at the time when {name} was earned")


def _base(name: str) -> str:
    """Return an achievement's id, without the number that a new category under an old name gets."""
    return re.sub(r"^([^:]*:mastered:[^:]*):\d+$", r"\1", name)


def _check_mastered(user: str, state: Item, earned: list[str]) -> None:
    """Check that each mastery that was earned has its contents, and no other."""
    mastered = [
        name for track in state["tracks"]["M"].values() for name in track["M"].get("mastered", {"M": {}})["M"]
    ]
    if sorted(mastered) != [name for name in earned if ":mastered:" in name]:
        raise Violation(f"{user} earned {earned}, but has the contents of {sorted(mastered)}")
