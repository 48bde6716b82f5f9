"""Checks at the end of a history: the views equal their recomputation, and every record is accounted for."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import product

from tests.simulation import recompute
from tests.simulation.dynamo import Item, Key
from tests.simulation.event_source import Logged
from tests.simulation.faults import Violation
from tests.simulation.history import History
from tests.simulation.invariants import UNKNOWN
from tests.simulation.quarantine import Message
from tests.simulation.reading import Identity, Interaction, StoredCatalog, day_number, read

type Digests = Mapping[tuple[str, int], set[bytes]]
"""Digests of the applied interactions, by learner and number of the UTC day."""
type View = dict[Key, Item]
"""The items of one learner."""


@dataclass(frozen=True, slots=True)
class FinalState:
    """Everything that is left when a history has ended."""

    history: History
    items: Mapping[Key, Item]
    log: Mapping[str, Logged]
    expired: frozenset[str]
    """Positions of the records that were given up because of their age, and redriven to another position."""
    messages: list[Message]
    """The quarantine."""
    seen: Counter[str]


@dataclass(slots=True)
class Applied:
    """An identity that is in the views."""

    variants: list[Interaction] = field(default_factory=list)
    """The different interactions that were sent with it. Only one of them was applied."""
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
    if sum(map(len, digests.values())) != distinct:
        raise Violation("the views have digests of interactions that were never sent")
    _check_views(state, catalog, account)


def _check_catalog(history: History, catalog: StoredCatalog) -> None:
    """Check the stored catalog against the content table's changes."""
    expected: dict[tuple[str, str], tuple[str, str, bool, int]] = {}
    for batch in history.rows:
        for row in batch:
            place = row.certification, row.content
            if row.image is not None:
                expected[place] = row.category, row.difficulty, True, row.questions
            elif place in expected:
                category, difficulty, _, questions = expected[place]
                expected[place] = category, difficulty, False, questions
    found = {
        (c.certification, c.content): (c.category, c.difficulty, c.active, c.questions)
        for c in catalog.contents
    }
    if found != expected or len(found) != len(catalog.contents):
        raise Violation("the catalog differs from the content table")


def _count_identities(seen: Counter[str], account: Account) -> None:
    """Count identities with several variants, and event_ids with several identities."""
    for identities in account.applied.values():
        for applied in identities.values():
            seen["ambiguous identities"] += len(applied.variants) > 1
            seen["identities on several local days"] += len({each.day for each in applied.variants}) > 1
        event_ids = Counter(event_id for _, _, event_id in identities)
        seen["event_ids on several UTC days"] += sum(count > 1 for count in event_ids.values())


def _digests(items: Mapping[Key, Item]) -> Digests:
    """Return the digests in the views."""
    found: dict[tuple[str, int], set[bytes]] = {}
    for (pk, sk), item in items.items():
        if sk == "STATE" and "applied" in item:
            bucket = item["applied"]["M"]
            number = int(bucket["day"]["N"])
        elif sk.startswith("APPLIED#"):
            bucket = item
            number = day_number(date.fromisoformat(sk.removeprefix("APPLIED#")))
        else:
            continue
        data = bucket["digests"]["B"]
        digests = {data[n : n + 8] for n in range(0, len(data), 8)}
        key = pk.removeprefix("USER#"), number
        if key in found or 8 * len(digests) != len(data):
            raise Violation(f"{pk}: the digests of UTC day {number} are stored twice")
        found[key] = digests
    return found


# -- records -----------------------------------------------------------------------------------------


def _account(state: FinalState, catalog: StoredCatalog, digests: Digests) -> Account:
    """Check that each record was applied or rightly refused, and return what became of it."""
    quarantined: dict[str, set[str]] = {}
    for message in state.messages:
        if message.payload != state.log[message.position].record.payload:
            raise Violation(f"the payload of {message.position} in quarantine is not the one that was sent")
        quarantined.setdefault(message.position, set()).add(message.code)
    account = Account()
    for position, logged in state.log.items():
        if position not in state.expired:
            codes = quarantined.get(position, set())
            interaction = _accepted(state, catalog, digests, logged, codes)
            if interaction is not None:
                _add(account, state, digests, position, interaction, codes)
    return account


def _accepted(
    state: FinalState, catalog: StoredCatalog, digests: Digests, logged: Logged, codes: set[str]
) -> Interaction | None:
    """Check the reasons for which a record was refused. Return it if it is valid and its content known."""
    may_refuse = state.history.circumstances.may_refuse
    interaction = read(logged.record)
    if interaction is None:
        if not codes or not codes <= {"malformed", "invalid", "too_early", "unknown_timezone"}:
            raise Violation(f"{logged.position} is invalid, but quarantined for {sorted(codes)}")
        state.seen["invalid records"] += 1
        return None
    if catalog.place(interaction) is None:
        if not codes and _is_applied(interaction, digests):
            # Another variant of the same identity, which has known content, came first.
            state.seen["duplicates of unknown content"] += 1
        elif not codes or not codes <= UNKNOWN | ({"state_full"} if may_refuse else set()):
            raise Violation(f"{logged.position} is of unknown content, but quarantined for {sorted(codes)}")
        return None
    if "state_full" in codes and may_refuse:
        state.seen["refused as state_full"] += 1
    elif not codes <= UNKNOWN:
        raise Violation(f"{logged.position} is valid, but quarantined for {sorted(codes)}")
    return interaction


def _add(
    account: Account,
    state: FinalState,
    digests: Digests,
    position: str,
    interaction: Interaction,
    codes: set[str],
) -> None:
    """Add a valid interaction of known content to the account."""
    identity = interaction.identity
    if _is_applied(interaction, digests):
        identities = account.applied.setdefault(interaction.user, {})
        applied = identities.setdefault(identity, Applied())
        payload = state.log[position].record.payload
        if applied.variants:
            state.seen["duplicates"] += 1
        if interaction not in applied.variants:
            applied.variants.append(interaction)
        elif payload not in applied.payloads:
            state.seen["respelled retries"] += 1
        applied.payloads.add(payload)
    elif "state_full" in codes:
        account.full.add(identity)
    elif codes:
        account.redriven[identity] = position
    else:
        raise Violation(f"{position} is lost: {identity} is neither in the views nor in quarantine")


def _is_applied(interaction: Interaction, digests: Digests) -> bool:
    return interaction.digest in digests.get((interaction.user, day_number(interaction.utc_day)), ())


# -- views -------------------------------------------------------------------------------------------


def _check_views(state: FinalState, catalog: StoredCatalog, account: Account) -> None:
    """Compare every item of every learner with its recomputation."""
    views: dict[str, View] = {}
    for key, item in state.items.items():
        if key[0] != "CATALOG":
            views.setdefault(key[0], {})[key] = item
    for user, identities in account.applied.items():
        view = views.pop(f"USER#{user}", {})
        _check_learner(state, catalog, user, [applied.variants for applied in identities.values()], view)
    if views:
        raise Violation(f"no record accounts for the items of {sorted(views)}")


def _check_learner(
    state: FinalState, catalog: StoredCatalog, user: str, variants: list[list[Interaction]], view: View
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
    state: FinalState, catalog: StoredCatalog, user: str, interactions: Iterable[Interaction], view: View
) -> None:
    """Check that these interactions account for all items of a learner. Remove these items from the view."""
    c = state.history.circumstances
    expected = recompute.learner(user, interactions, catalog, c.freezes, c.catalog_first)
    for key, item in expected.items.items():
        if key not in view:
            raise Violation(f"{key} is missing")
        found = view.pop(key)
        _compare(key, found, item, c.content_moves and not c.catalog_first)
        if key[1] == "STATE":
            earned = json.loads(found["earned"]["S"])
            _check_awards(user, expected, earned, view)
            _check_mastered(user, found, earned)
    if view:
        raise Violation(f"no record accounts for the items {sorted(view)}")
    state.seen["awards"] += len(earned)


def _compare(key: Key, found: Item, expected: Item, content_moves: bool) -> None:
    stored = recompute.comparable(found, content_moves)
    recomputed = recompute.comparable(expected, content_moves)
    if stored != recomputed:
        raise Violation(
            f"{key} differs from its recomputation:\n  stored:     {stored}\n  recomputed: {recomputed}"
        )


def _check_awards(user: str, expected: recompute.Recomputed, earned: list[str], view: View) -> None:
    """Check the achievements in a learner's state and their items, and remove those items from the view."""
    if not expected.due <= set(earned) or not {_base(name) for name in earned} <= expected.possible.keys():
        raise Violation(
            f"{user} earned {earned}; due {sorted(expected.due)}, possible {sorted(expected.possible)}"
        )
    if earned != sorted(set(earned)):
        raise Violation(f"{user}: {earned} is not sorted, or has duplicates")
    for name in earned:
        item = view.pop((f"USER#{user}", f"EARNED#{name}"), None)
        if item is None:
            raise Violation(f"{user} earned {name}, but there is no item for it")
        award = json.loads(item["award"]["S"])
        if (award["achievement_id"], award["points"]) != (name, expected.possible[_base(name)]):
            raise Violation(f"{user}: the award of {name} is {award}")
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
