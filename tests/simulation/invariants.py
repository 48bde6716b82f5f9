"""Invariants that are checked while a history runs: at each write, and at each refusal of a record."""

import json
from collections.abc import Iterable
from typing import Any

from greenlet import getcurrent

from domain.catalog import Content
from tests.simulation.damage import UNREADABLE, Damages
from tests.simulation.dynamo import Item, Key, Written
from tests.simulation.faults import Violation
from tests.simulation.history import Record
from tests.simulation.next_release import CATALOG_ATTRIBUTE
from tests.simulation.quarantine import Message
from tests.simulation.reading import day_number, digests_of, ordinals, read
from tests.simulation.releases import THIS
from tests.simulation.world import World

UNKNOWN = {"unknown_content", "unknown_certification"}
"""The reasons for refusal that end once the catalog knows the content."""
REDRIVABLE = UNKNOWN | UNREADABLE
"""The reasons for refusal that end in the course of a history."""
KNOWN_FIELDS = len(Content._fields) - 2
"""The stored fields of a content that this release knows: without its ordinal and `unknown`."""


class Invariants:
    """Checks each write to the table and each message to the quarantine."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.known_since: dict[tuple[str, str], int] = {}
        """The step by which the catalog had a (certification, content)."""
        self.began: dict[Any, int] = {}
        """The step at which an actor's current invocation of the consumer began."""
        self.sent: dict[str, Record] = {}
        """Every record without its frame, by position."""
        self.damages: Damages | None = None
        self.buried: set[str] = set()
        """Partition keys of the learners who were erased."""
        self.refused: set[str] = set()
        """Positions of the records in quarantine."""
        self.applied_by: dict[tuple[str, int, bytes], str] = {}
        """The release that applied an interaction, by learner, UTC day and digest."""
        self.awarded_by: dict[Key, str] = {}
        """The release that gave an award, by the key of its item."""

    def invocation_begins(self) -> None:
        """Remember when the current actor invokes the consumer."""
        self.began[getcurrent()] = self.world.steps

    def check_writes(self, changes: list[Written], release: str) -> None:
        """Check that awards are written once, versions go up by 1, and ordinals are never reassigned."""
        for (pk, sk), old, new in changes:
            if pk in self.buried and not _is_mark(sk, old, new):
                raise Violation(f"{pk} {sk} is written after the learner was erased")
            if sk == "STATE" and "erased_at" in new:
                self.buried.add(pk)
            self.world.note(f"wrote {pk} {sk}" + (f" v{new['version']['N']}" if "version" in new else ""))
            if sk.startswith("EARNED#"):
                if old is not None and "counted" not in new:
                    raise Violation(f"{pk} {sk} is written again")
                if old is None:
                    self.awarded_by[pk, sk] = release
            if pk == "CATALOG" and old is not None:
                if lost := old.keys() - new.keys():
                    raise Violation(f"{pk} {sk} loses the attributes {sorted(lost)}")
                kept = release == THIS and CATALOG_ATTRIBUTE in old
                self.world.seen["catalog items with unknown attributes that were kept"] += kept
            if sk in ("STATE", "HEAD"):
                self._check_masteries(pk, old, new)
                expected = 1 + _version(old)
                if old and _format(old) > _format(new) and "erased_at" not in new:
                    raise Violation(f"{pk} {sk} is written over a later format")
                if int(new["version"]["N"]) != expected and not _is_tombstone_of_unreadable(old, new):
                    raise Violation(f"{pk} {sk} goes to version {new['version']['N']}, not {expected}")
            elif sk.startswith("CERT#"):
                self._check_ordinals(sk, old, new)
                if release == THIS and old is not None:
                    self._check_unknown_fields(sk, old, new)
            for number, digest in digests_of(sk, new):
                self.applied_by.setdefault((pk.removeprefix("USER#"), number, digest), release)

    def _check_masteries(self, pk: str, old: Item | None, new: Item) -> None:
        """Check that at least half of the contents of a new mastery are not in an earlier one."""
        try:
            before = _masteries(old or {})
        except (AttributeError, LookupError, TypeError, ValueError):
            return  # The item was damaged after the consumer had read it.
        after = _masteries(new)
        for (code, name), contents in after.items():
            if (code, name) not in before:
                mastered = set[int]().union(*(held for (of, _), held in before.items() if of == code))
                if 2 * len(contents & mastered) > len(contents):
                    raise Violation(f"{pk} {name}: most of its contents were mastered before")
                self.world.seen["masteries"] += 1

    def _check_unknown_fields(self, sk: str, old: Item, new: Item) -> None:
        """Check that this release keeps the fields of contents that it does not know."""
        rows = zip(json.loads(old["contents"]["S"]), json.loads(new["contents"]["S"]), strict=False)
        for before, after in rows:
            if before[KNOWN_FIELDS:] != after[KNOWN_FIELDS:]:
                raise Violation(f"{sk}: the unknown fields of {before} become those of {after}")
            self.world.seen["contents with unknown fields that were kept"] += len(before) > KNOWN_FIELDS

    def _check_ordinals(self, sk: str, old: Item | None, new: Item) -> None:
        names = [(row[0], row[4]) for row in json.loads(new["contents"]["S"])]
        before = [(row[0], row[4]) for row in json.loads(old["contents"]["S"])] if old else []
        if names[: len(before)] != before:
            raise Violation(f"{sk}: an ordinal was reassigned")
        code = sk.split("#")[1]
        for content, _ in names:
            self.known_since.setdefault((code, content), self.world.steps)

    def check_refusal(self, message: Message) -> None:
        """Check that a record refused as unknown was unknown when its invocation began.

        Likewise, check that one refused as unreadable is of a learner with an item that was damaged since.
        """
        sent = self.sent.get(message.position)
        if sent is None or sent.payload != message.payload:
            raise Violation(f"{message.position} in quarantine has not the payload that was sent there")
        self.refused.add(message.position)
        if message.code not in REDRIVABLE:
            return
        fields = json.loads(message.payload)
        if message.code in UNREADABLE:
            if message.code not in self._in_trouble(fields["user_id"]):
                raise Violation(f"{message.position} is refused as {message.code} of a readable learner")
            self.world.seen["records refused as unreadable"] += 1
            return
        content, code = fields.get("content_id"), fields.get("certification_type")
        began = self.began[getcurrent()]
        for place, since in self.known_since.items():
            # The result of an exam names no content.
            if since < began and content in (None, place[1]) and code in (None, place[0]):
                raise Violation(f"{content} of {code} is refused as unknown, but the catalog has it")

    # -- learners in trouble -----------------------------------------------------------------------

    def _in_trouble(self, user: str) -> set[str]:
        """Return the reasons for which the current invocation may refuse records of a learner."""
        return self.damages.in_trouble(user, self.began[getcurrent()]) if self.damages else set()

    def may_flood(self, error: BaseException) -> bool:
        """Return whether an error is one of so many unreadable items that they may fail a batch."""
        unreadable = getattr(error, "code", None) in UNREADABLE
        return unreadable and self.damages is not None and self.damages.may_flood

    def check_flood(self, sent: Iterable[tuple[str, Record]]) -> None:
        """Check that a batch that failed for learners in trouble was applied or refused for all others."""
        for position, record in sent:
            if position in self.refused or self._in_trouble(record.user):
                continue
            if f"USER#{record.user}" in self.buried:
                continue
            event = read(record)
            if event:
                applied = event.user, day_number(event.utc_day), event.digest
                if applied in self.applied_by:
                    continue
            raise Violation(f"{position} is held up by the trouble of other learners")


def _is_mark(sk: str, old: Item | None, new: Item) -> bool:
    """Return whether a write only says that a learner or an award is counted. The erasure takes it back."""
    return sk == "COUNTED" or (old is not None and new == {**old, "counted": {"BOOL": True}})


def _version(state: Item | None) -> int:
    """Return the version of a state; 0 without one that can be read."""
    return int((state or {}).get("version", {}).get("N", 0))


def _is_tombstone_of_unreadable(old: Item | None, new: Item) -> bool:
    """Return whether a tombstone replaces a state without a version. Its own is higher than any."""
    return old is not None and not _version(old) and new.get("erased_at") is not None


def _format(item: Item) -> int:
    """Return the format of a state; 0 for an item without a readable one."""
    return int(item.get("format", {}).get("N", 0))


def _masteries(state: Item) -> dict[tuple[str, str], set[int]]:
    """Return the ordinals that each mastery of a state covers, by certification and achievement."""
    return {
        (code, name): ordinals(contents["B"])
        for code, track in state.get("tracks", {"M": {}})["M"].items()
        for name, contents in track["M"].get("mastered", {"M": {}})["M"].items()
    }
