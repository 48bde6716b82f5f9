"""Replace a learner's items by what a fold of the event log makes of them.

The same events count before and after, but for those that were retracted: what the log has besides is left
to be applied like any other delivery. So the days can be replaced one after the other, and the state with the
last of them. A learner with more changed days than one transaction takes costs several, each of which moves
the version on: a consumer that comes between them wins, and the refold begins again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from domain.catalog import Catalog
from domain.fold import Change
from domain.learner import Learner
from domain.refold import Kept, is_stored, missing, refold
from functions import items
from functions.errors import LaterFormat, Unreadable, is_contention
from functions.items import Item
from functions.records import Received

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CHANGES = items.MAX_TRANSACTION_ITEMS - 1
"""Maximum items in one transaction beside the state."""


class LogLags(Exception):
    """The log does not have everything yet that is stored."""


class Erased(Exception):
    """The learner is erased. Nothing can be folded for them."""


class OvertakenRefold(Exception):
    """Another writer was faster. The refold must begin again."""


class StoredLearner(NamedTuple):
    """All of a learner's items as they are stored."""

    user_id: str
    items: dict[str, Item]
    """By sort key."""

    @property
    def state(self) -> Item | None:
        """The state's item, which may be undecodable."""
        return self.items.get(items.STATE)

    def learner(self) -> Learner | Unreadable:
        """Return the state, or why it can't be decoded."""
        if self.state is None:
            return Learner(self.user_id)
        try:
            return items.learner_of(self.state)
        except Unreadable as error:
            return error


class Refolded(NamedTuple):
    """The result of a refold."""

    events: int
    """The events that were folded, retractions included."""
    changed: tuple[str, ...]
    """The sort keys of the items that were replaced, added or removed, in order."""
    awards: tuple[str, ...]
    """The ids of awards that were due and missing."""
    left: tuple[Received, ...]
    """What the log has besides. It was not stored, and is to be applied now."""


@dataclass(frozen=True, slots=True)
class Refolder:
    """Refolds learners of one generation of the views."""

    client: "DynamoDBClient"
    table: str
    catalog: Catalog
    freezes: int = 0

    def read(self, user_id: str) -> StoredLearner:
        """Return all of a learner's items, as they were under one version of the state."""
        before = self._query(user_id)
        while True:
            # A Query is not a snapshot. If the state is the same after it as before, nothing was written.
            after = self._query(user_id)
            if after.state == before.state:
                return after
            before = after

    def _query(self, user_id: str) -> StoredLearner:
        found: dict[str, Item] = {}
        start: Any = {}
        while True:
            answer: Any = self.client.query(
                TableName=self.table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": items.user_pk(user_id)}},
                ConsistentRead=True,
                **start,
            )
            found |= {item["sk"]["S"]: item for item in answer["Items"]}
            if "LastEvaluatedKey" not in answer:
                return StoredLearner(user_id, found)
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def refold(self, stored: StoredLearner, log: Sequence[Received], *, dry_run: bool = False) -> Refolded:
        """Replace what is stored by what the log makes of the same events, and return what has changed.

        `stored` was read before the log was, and `log` has all valid events of the learner, in order of
        arrival. Raise LogLags if something is stored that is not among them, Erased if the learner is erased,
        LaterFormat if a later release wrote the state, TooLarge if DynamoDB can't take the result, and
        OvertakenRefold if another writer was faster.
        """
        kept = kept_of(stored)
        if kept.learner.erased_at is not None:
            raise Erased(f"{stored.user_id} is erased")
        events = [one.interaction for one in log if is_stored(kept, one.interaction)]
        change = refold(kept, events, self.catalog, self.freezes)
        if lost := missing(kept, change):
            count = sum(map(len, lost.values()))
            raise LogLags(f"the log lacks {count} of the events that are stored for {stored.user_id}")
        state, others = self._items(change, stored)
        old = {sk: item for sk, item in stored.items.items() if _is_bucket(sk)}
        puts = [item for item in others if stored.items.get(item["sk"]["S"]) != item]
        removed = sorted(old.keys() - {item["sk"]["S"] for item in others})
        is_new_state = isinstance(stored.learner(), Unreadable) or (
            change.applied > 0 and _without_version(stored.state) != _without_version(state)
        )
        if not dry_run and (puts or removed or is_new_state):
            self._write(stored.state, state, puts, [items.key(stored.user_id, sk) for sk in removed])
        changed = [item["sk"]["S"] for item in puts] + removed + [items.STATE] * is_new_state
        return Refolded(
            change.applied,
            tuple(sorted(changed)),
            tuple(award.achievement_id for award in change.awards),
            tuple(one for one in log if not is_stored(kept, one.interaction)),
        )

    def _items(self, change: Change, stored: StoredLearner) -> tuple[Item, list[Item]]:
        """Return the state's item, in the stored version, and the others that must be stored."""
        user_id = stored.user_id
        others = [
            *(items.day_item(user_id, day) for day in change.days),
            *(items.applied_item(user_id, applied) for applied in change.digests),
            *(items.award_item(user_id, award, silent=True) for award in change.awards),
        ]
        state = items.state_item(change.learner)
        for item in (state, *others):
            items.check_size([item])
        return state, others

    def _write(self, stored: Item | None, state: Item, puts: list[Item], removed: list[Item]) -> None:
        """Write the changes, and the state with the last of them, each time under the version before.

        The stored state promises the days that are removed, so they go with it, or after it.
        """
        version = _version(stored)
        condition = unchanged(stored)
        while len(puts) + min(len(removed), CHANGES) > CHANGES and puts:
            part, puts = puts[:CHANGES], puts[CHANGES:]
            self._transact([*self._puts(part), _moved_on(self.table, state, version + 1, condition)])
            version += 1
            condition = _has_version(version)
        while True:
            version += 1
            item = {**state, "version": {"N": str(version)}}
            part, removed = removed[:CHANGES], removed[CHANGES:]
            deletes = [{"Delete": {"TableName": self.table, "Key": key}} for key in part]
            put = {"Put": {"TableName": self.table, "Item": item, **condition}}
            self._transact([*self._puts(puts), *deletes, put])
            if not removed:
                return
            puts, condition = [], _has_version(version)

    def _puts(self, puts: Iterable[Item]) -> list[Any]:
        return [{"Put": {"TableName": self.table, "Item": item}} for item in puts]

    def _transact(self, writes: list[Any]) -> None:
        try:
            self.client.transact_write_items(TransactItems=writes)
        except ClientError as error:
            if is_contention(error):
                raise OvertakenRefold("another writer was faster") from error
            raise


def kept_of(stored: StoredLearner) -> Kept:
    """Return what a refold takes over. What can't be decoded is left behind, because that is what it mends.

    Raise LaterFormat if a later release wrote the state: this one would lose what it does not know.
    """
    learner = stored.learner()
    if isinstance(learner, LaterFormat):
        raise learner
    if isinstance(learner, Unreadable):
        # The fold of the log begins anew, but an erasure and a new start are in no log.
        learner = Learner(
            stored.user_id,
            _version(stored.state),
            erased_at=_number(stored.state, "erased_at"),
            starts_at=_number(stored.state, "starts_at"),
        )
    earned = {sk.removeprefix(items.AWARD_PREFIX) for sk in stored.items if sk.startswith(items.AWARD_PREFIX)}
    applied = {}
    for sk, item in stored.items.items():
        if sk.startswith(items.APPLIED_PREFIX):
            try:
                bucket = items.applied_of(item)
            except Unreadable:
                continue
            applied[bucket.number] = bucket
    if learner.applied:
        applied[learner.applied.number] = learner.applied
    return Kept(learner, frozenset(earned), applied)


def _is_bucket(sk: str) -> bool:
    return items.is_day_sk(sk) or sk.startswith(items.APPLIED_PREFIX)


def _without_version(state: Item | None) -> Item:
    return {name: value for name, value in (state or {}).items() if name != "version"}


def _version(state: Item | None) -> int:
    """Return a state's version; 0 without a state, or if it has none that can be read."""
    return max(0, _number(state, "version") or 0)


def _number(state: Item | None, name: str) -> int | None:
    """Return a number of a state; None without a state, or if it has none that can be read."""
    try:
        return int((state or {})[name]["N"])
    except (KeyError, TypeError, ValueError):
        return None


def unchanged(state: Item | None) -> dict[str, Any]:
    """Return the condition that the stored state has the raw version that was read, whatever it is."""
    if state is None:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    if "version" not in state:
        return {"ConditionExpression": "attribute_exists(pk) AND attribute_not_exists(version)"}
    return {
        "ConditionExpression": "version = :read",
        "ExpressionAttributeValues": {":read": state["version"]},
    }


def _has_version(version: int) -> dict[str, Any]:
    return unchanged({"version": {"N": str(version)}})


def _moved_on(table: str, state: Item, version: int, condition: dict[str, Any]) -> dict[str, Any]:
    """Return the update that changes nothing of a state but its version."""
    values = {**condition.get("ExpressionAttributeValues", {}), ":next": {"N": str(version)}}
    return {
        "Update": {
            "TableName": table,
            "Key": {name: state[name] for name in ("pk", "sk")},
            "UpdateExpression": "SET version = :next",
            **condition,
            "ExpressionAttributeValues": values,
        }
    }
