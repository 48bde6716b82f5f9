"""Invariants that are checked while a history runs: at each write, and at each refusal of a record."""

import json
from typing import Any

from greenlet import getcurrent

from tests.simulation.dynamo import Item, Written
from tests.simulation.faults import Violation
from tests.simulation.quarantine import Message
from tests.simulation.world import World

UNKNOWN = {"unknown_content", "unknown_certification"}
"""The reasons for refusal that end once the catalog knows the content."""


class Invariants:
    """Checks each write to the table and each message to the quarantine."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.known_since: dict[tuple[str, str], int] = {}
        """The step by which the catalog had a (certification, content)."""
        self.began: dict[Any, int] = {}
        """The step at which an actor's current invocation of the consumer began."""

    def invocation_begins(self) -> None:
        """Remember when the current actor invokes the consumer."""
        self.began[getcurrent()] = self.world.steps

    def check_writes(self, changes: list[Written]) -> None:
        """Check that awards are written once, versions go up by 1, and ordinals are never reassigned."""
        for (pk, sk), old, new in changes:
            self.world.note(f"wrote {pk} {sk}" + (f" v{new['version']['N']}" if "version" in new else ""))
            if sk.startswith("EARNED#"):
                if old is not None:
                    raise Violation(f"{pk} {sk} is written again")
            elif sk in ("STATE", "HEAD"):
                expected = 1 + (int(old["version"]["N"]) if old else 0)
                if int(new["version"]["N"]) != expected:
                    raise Violation(f"{pk} {sk} goes to version {new['version']['N']}, not {expected}")
            elif sk.startswith("CERT#"):
                self._check_ordinals(sk, old, new)

    def _check_ordinals(self, sk: str, old: Item | None, new: Item) -> None:
        names = [(row[0], row[4]) for row in json.loads(new["contents"]["S"])]
        before = [(row[0], row[4]) for row in json.loads(old["contents"]["S"])] if old else []
        if names[: len(before)] != before:
            raise Violation(f"{sk}: an ordinal was reassigned")
        code = sk.split("#")[1]
        for content, _ in names:
            self.known_since.setdefault((code, content), self.world.steps)

    def check_refusal(self, message: Message) -> None:
        """Check that a record refused as unknown was unknown when its invocation began."""
        if message.code not in UNKNOWN:
            return
        fields = json.loads(message.payload)
        content, code = fields["content_id"], fields.get("certification_type")
        began = self.began[getcurrent()]
        for place, since in self.known_since.items():
            if since < began and place[1] == content and code in (None, place[0]):
                raise Violation(f"{content} of {code} is refused as unknown, but the catalog has it")
