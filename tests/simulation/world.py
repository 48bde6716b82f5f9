"""The world of one history: a log with shards, the event source, consumers, the catalog's keeper, readers.

Each of them is a greenlet that gives way at every call to the store, and a seeded choice says who goes on:
so everything can come between any two calls, and a seed replays it all.
"""

import json
import math
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from random import Random
from typing import Any, cast

from botocore.exceptions import BotoCoreError, ClientError
from greenlet import getcurrent, greenlet

import functions.catalog
import functions.items
import functions.project
import functions.quarantine
import functions.store
from domain.days import day_number
from functions.errors import Contended
from functions.project import Projector
from functions.quarantine import Quarantine
from functions.store import Store
from tests.simulation import recompute
from tests.simulation.dynamo import TABLE, Dynamo, Item, Key, client_error
from tests.simulation.faults import CRASH_AFTER, CRASH_BEFORE, LOST, THROTTLED, Crash, Plan, Violation
from tests.simulation.history import History, Record

MAX_STEPS = 50_000
"""A history takes some hundred. One that does not end is a failure, too."""
SEND_FAULTS = (CRASH_BEFORE, CRASH_AFTER, LOST, THROTTLED)
UNKNOWN = {"unknown_content", "unknown_certification"}


@dataclass(frozen=True, slots=True)
class Result:
    """How a history went."""

    violation: str | None
    hits: Counter[tuple[str, str]]
    """(call-site, fault or "calls") -> how often."""
    seen: Counter[str]
    """What the history contained, to know what was tested at all."""
    fired: tuple[int, ...] = ()
    """The numbers of the faults that were injected."""
    trace: tuple[str, ...] = ()
    digest: str = ""
    """Of the table at the end."""


@dataclass(slots=True)
class Logged:
    """A record on the log, with its position."""

    record: Record
    shard: str
    sequence_number: str
    event: dict[str, Any]


class Sqs:
    """The quarantine queue."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.messages: list[dict[str, Any]] = []

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:
        world = self.world
        size = sum(len(entry["MessageBody"].encode()) for entry in Entries)
        if not 1 <= len(Entries) <= 10 or len({e["Id"] for e in Entries}) < len(Entries) or size > 256 * 1024:
            raise Violation(f"SQS refuses these {len(Entries)} entries of {size} bytes")
        world.switch()
        fault = world.plan.draw("quarantine: send_message_batch", SEND_FAULTS)
        world.note("quarantine: send_message_batch", fault)
        if fault == CRASH_BEFORE:
            raise Crash("send_message_batch")
        failed = []
        for entry in Entries:
            world.check_refusal(json.loads(entry["MessageBody"]))
            if fault == THROTTLED and world.chance(0.5):
                failed.append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
            else:
                self.messages.append(json.loads(entry["MessageBody"]))
        if fault == CRASH_AFTER:
            raise Crash("send_message_batch")
        if fault == LOST:
            raise client_error("InternalError", "no answer", "SendMessageBatch", 500)
        return {"Failed": failed} if failed else {}


class S3:
    """The bucket for large payloads."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.objects: dict[str, bytes] = {}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> None:
        world = self.world
        world.switch()
        fault = world.plan.draw("quarantine: put_object", SEND_FAULTS)
        world.note("quarantine: put_object", fault)
        if fault == CRASH_BEFORE:
            raise Crash("put_object")
        if fault == THROTTLED:
            raise client_error("SlowDown", "Please reduce your request rate.", "PutObject", 503)
        self.objects[Key] = Body
        if fault == CRASH_AFTER:
            raise Crash("put_object")
        if fault == LOST:
            raise client_error("InternalError", "no answer", "PutObject", 500)


class World:
    """One history as it happens."""

    def __init__(self, history: History, tracing: bool = False) -> None:
        c = history.circumstances
        self.history = history
        self.circumstances = c
        self.random = Random(~history.seed)
        self.plan = Plan(self.random, c.fault_rate, c.fault_budget, history.without_faults)
        self.page_items = c.page_items
        self.knows_tokens = c.knows_tokens
        self.dynamo = Dynamo(self)
        self.sqs = Sqs(self)
        self.s3 = S3(self)
        self.main = getcurrent()
        self.actors: list[greenlet] = []
        self.names: dict[greenlet, str] = {}
        self.steps = 0
        self.now = 1_790_000_000_000_000
        self.log: dict[str, Logged] = {}
        self.expired: list[Logged] = []
        """Records that were given up for their age: they are in the on-failure destination."""
        self.known_since: dict[tuple[str, str], int] = {}
        """(certification, content) -> the step by which the catalog had it."""
        self.began: dict[Any, int] = {}
        """The step at which the consumer that an actor runs now began."""
        self.containers: list[Projector] = []
        self.seen: Counter[str] = Counter()
        self.trace: list[str] | None = [] if tracing else None
        self.store = Store(cast(Any, self.dynamo), TABLE)

    # -- chance and time ---------------------------------------------------------------------------

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def below(self, end: int) -> int:
        return int(self.random.random() * end)

    def shuffled(self, items: list[Any]) -> list[Any]:
        if len(items) < 2 or self.random.random() < 0.5:
            return items
        copy = list(items)
        self.random.shuffle(copy)
        return copy

    def switch(self) -> None:
        """Let others go on."""
        if getcurrent() is not self.main:
            self.main.switch()

    def pause(self, seconds: float) -> None:
        """What `time.sleep` is here."""
        self.switch()

    def note(self, what: str, fault: str | None = None) -> None:
        if self.trace is not None:
            name = self.names.get(getcurrent(), "world")
            self.trace.append(
                f"{self.steps:5} {name:14} {what}"
                + (f"  <- {fault} (no. {self.plan.drawn})" if fault else "")
            )

    def spawn(self, name: str, run: Callable[..., object], *args: Any) -> None:
        actor = greenlet(lambda: run(*args))
        self.names[actor] = name
        self.actors.append(actor)

    def run_actors(self) -> None:
        """Until all are done."""
        actors = self.actors
        draw = self.random.random
        while actors:
            self.steps += 1
            if self.steps > MAX_STEPS:
                raise Violation(f"no end after {MAX_STEPS} steps")
            n = int(draw() * len(actors))
            actor = actors[n]
            actor.switch()
            if actor.dead:
                actors[n] = actors[-1]
                actors.pop()
            if self.dynamo.late and draw() < 0.1:
                self.note("a write that was given up arrives")
                self.dynamo.settle()
        while self.dynamo.late:
            self.dynamo.settle()

    # -- the history -------------------------------------------------------------------------------

    def run(self) -> None:
        """All that happens, and the verdict."""
        c = self.circumstances
        if c.catalog_first:
            self.spawn("keeper", self._keep_catalog)
            self.run_actors()
        else:
            self.spawn("keeper", self._keep_catalog)
        shards = self._shards()
        for n, parts in enumerate(shards):
            self.spawn(f"shard-{n}", self._poll_shard, n, parts)
        for n in range(c.readers):
            self.spawn(f"reader-{n}", self._read_views)
        self.run_actors()
        self._redrive()
        self._verdict()
        if self.history.seed % 8 == 0 and not c.may_refuse:
            self._replay()

    def _shards(self) -> list[list[list[Logged]]]:
        """The log: shards, each of one part, or of three where it was split: parent and two children."""
        c = self.circumstances
        shards: list[list[list[Logged]]] = [[[], [], []] for _ in range(c.shards)]
        half = len(self.history.records) // 2 if c.splits else len(self.history.records)
        for n, record in enumerate(self.history.records):
            place = sum(record.user.encode()) if c.by_key else self.below(8)
            number = place % c.shards
            child = 0 if n < half else 1 + place // c.shards % 2
            shards[number][child].append(self._logged(record, f"shardId-{number}{child}", n))
        return shards

    def _logged(self, record: Record, shard: str, n: int) -> Logged:
        sequence_number = f"{n + 1:05}"
        position = f"{shard}:{sequence_number}"
        event = {
            "eventID": position,
            "kinesis": {
                "sequenceNumber": sequence_number,
                "partitionKey": record.user,
                "data": b64encode(record.payload).decode(),
                "approximateArrivalTimestamp": float(record.arrived_at),
            },
        }
        logged = self.log[position] = Logged(record, shard, sequence_number, event)
        return logged

    # -- the event source --------------------------------------------------------------------------

    def _poll_shard(self, number: int, parts: list[list[Logged]]) -> None:
        """A shard in order; its children only after it, and then both at once."""
        parent, *children = parts
        self._poll(parent)
        for n, child in enumerate(children):
            if child:
                self.spawn(f"shard-{number}{n + 1}", self._poll, child)

    def _poll(self, records: list[Logged], may_expire: bool = True) -> None:
        start = 0
        while start < len(records):
            size = 1 + self.below(self.circumstances.batch_size)
            self._deliver(records[start : start + size], may_expire)
            start += size

    def _deliver(self, batch: list[Logged], may_expire: bool) -> None:
        """Until it is taken: whole, or in halves; or, where it may, until it is too old."""
        c = self.circumstances
        if self.chance(c.rival_rate):
            # The event source took its consumer for lost, and started another.
            self.spawn("rival", self._invoke, batch)
            self.seen["batches with a rival"] += 1
        while True:
            taken = self._invoke(batch)
            if taken and not self.chance(c.redelivery_rate):
                return
            if not taken and may_expire and self.chance(c.expiry_rate):
                self.expired += batch
                return
            if not taken and c.bisects and len(batch) > 1 and self.chance(0.5):
                middle = len(batch) // 2
                self._deliver(batch[:middle], may_expire)
                self._deliver(batch[middle:], may_expire)
                return
            self.seen["redelivered records"] += len(batch)

    def _invoke(self, batch: list[Logged]) -> bool:
        """Whether the consumer says that all of the batch is done."""
        self.seen["delivered records"] += len(batch)
        projector = self.containers.pop() if self.containers and self.chance(0.95) else self._container()
        self.began[getcurrent()] = self.steps
        if self.trace is not None:
            self.note(f"batch of records {[logged.record.number for logged in batch]}")
        try:
            outcome = projector.project([logged.event for logged in batch], self._time_left)
        except Crash:
            self.seen["crashes"] += 1
            return False
        except Exception as error:
            if unexpected := [e for e in _leaves(error) if not _is_transient(e)]:
                raise Violation(f"the consumer fails with {unexpected[0]!r}") from error
            self.note(f"the batch fails: {_leaves(error)[0]!r}")
            self.seen.update(type(leaf).__name__ for leaf in _leaves(error))
            self.containers.append(projector)
            self.seen["failed batches"] += 1
            return False
        self.containers.append(projector)
        accounted = outcome.applied + outcome.duplicates + len(outcome.quarantined)
        if accounted != len(batch):
            raise Violation(f"{accounted} of {len(batch)} records are accounted for")
        return True

    def _time_left(self) -> float:
        hurry_rate = self.circumstances.hurry_rate
        return 0.0 if hurry_rate and self.chance(hurry_rate) else math.inf

    def _container(self) -> Projector:
        quarantine = Quarantine(cast(Any, self.sqs), cast(Any, self.s3), "queue", "bucket")
        return Projector(self.store, quarantine, self.circumstances.freezes, pause=self.pause)

    def _redrive(self) -> None:
        """What was quarantined for unknown content comes again, now that the catalog is complete.

        So does what was given up for its age, from the on-failure destination.
        """
        payloads = {
            self._payload(message): message["position"]
            for message in self.sqs.messages
            if message["code"] in UNKNOWN
        }
        records = [
            self.log[f"{position['shard']}:{position['sequence_number']}"].record._replace(payload=payload)
            for payload, position in payloads.items()
        ]
        records += [logged.record for logged in self.expired]
        again = [
            self._logged(record._replace(arrived_at=record.arrived_at + 6 * 86400), "redrive", n)
            for n, record in enumerate(records)
        ]
        self.seen["redriven records"] += len(payloads)
        self.seen["records that aged out"] += len(self.expired)
        self.spawn("redrive", self._poll, again, False)
        self.run_actors()

    def _replay(self) -> None:
        """The whole log once more, onto the live views: nothing may change but `version`."""
        before = self._without_versions()
        records = list(self.log.values())
        self.plan.budget = 0
        self.spawn("replay", self._poll, records)
        self.run_actors()
        if self._without_versions() != before:
            raise Violation("replaying the whole log changed the views")
        self.seen["replays"] += 1

    def _without_versions(self) -> dict[Key, Item]:
        return {
            key: {name: value for name, value in item.items() if name != "version"}
            for key, item in self.dynamo.items.items()
        }

    # -- the catalog -------------------------------------------------------------------------------

    def _keep_catalog(self) -> None:
        for batch in self.history.rows:
            records = [row.stream_record() for row in batch]
            if self.chance(0.05):
                records.append(
                    {"dynamodb": {"Keys": {"content_id": {"S": "ä"}, "certification_type": {"S": ""}}}}
                )
            rivals: list[bool] = []
            if rival := self.chance(self.circumstances.rival_rate):
                self.spawn("rival keeper", lambda r=records, done=rivals: done.append(self._keep_once(r)))
            while not self._keep_once(records) or self.chance(self.circumstances.redelivery_rate):
                self.switch()
            # The table's stream is in order: no keeper is left behind when the next batch comes.
            while rival and not rivals:
                self.switch()

    def _keep_once(self, records: list[dict[str, Any]]) -> bool:
        self.now += 1 + self.below(1_000_000)
        # Keepers' clocks differ.
        now = self.now - self.below(3) * self.below(3_000_000)
        changes, _ = functions.catalog.changes_of(records)
        try:
            functions.catalog.update_catalog(self.store, changes, now)
        except Crash:
            return False
        except Exception as error:
            if not _is_transient(error):
                raise Violation(f"the catalog's keeper fails with {error!r}") from error
            self.seen[f"keeper's {type(error).__name__}"] += 1
            return False
        return True

    # -- readers -----------------------------------------------------------------------------------

    def _read_views(self) -> None:
        """Dashboards, read while all this goes on."""
        users = sorted({record.user for record in self.history.records})
        for _ in range(6):
            user = users[self.below(len(users))]
            try:
                self.store.read_state(user)
                stored = self.store.read(user, 0)
            except Crash:
                continue
            except Exception as error:
                if not _is_transient(error):
                    raise Violation(f"reading fails with {error!r}") from error
                continue
            if stored is None:
                continue
            missing = set(stored.learner.calendar) - set(stored.days)
            if missing:
                raise Violation(f"a reader misses the days {sorted(missing)}")
            for number, day in stored.days.items():
                counted = sum(breakdown.total.interactions for breakdown in day.tallies.values())
                if counted != len(day.digests):
                    raise Violation(f"a reader sees a day {number} that does not add up")

    # -- what may never be -------------------------------------------------------------------------

    def written(self, changes: list[tuple[Key, Item | None, Item]]) -> None:
        """Look at each write as it happens."""
        for (pk, sk), old, new in changes:
            if self.trace is not None:
                self.note(f"wrote {pk} {sk}" + (f" v{new['version']['N']}" if "version" in new else ""))
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
            raise Violation(f"{sk}: an ordinal was given away")
        code = sk.split("#")[1]
        for content, _ in names:
            self.known_since.setdefault((code, content), self.steps)

    def check_refusal(self, message: dict[str, Any]) -> None:
        """Nothing is refused as unknown that the catalog had when its consumer began."""
        if message["code"] not in UNKNOWN:
            return
        fields = json.loads(self._payload(message))
        content, code = fields["content_id"], fields.get("certification_type")
        began = self.began[getcurrent()]
        for place, since in self.known_since.items():
            if since < began and place[1] == content and code in (None, place[0]):
                raise Violation(f"{content} of {code} is refused as unknown, and the catalog has it")

    def _payload(self, message: dict[str, Any]) -> bytes:
        if "payload" in message:
            return b64decode(message["payload"])
        return self.s3.objects[message["payload_s3"]["key"]]

    # -- the verdict -------------------------------------------------------------------------------

    def _verdict(self) -> None:
        """The views equal a recomputation, and every record is accounted for."""
        c = self.circumstances
        items = self.dynamo.items
        stored = recompute.entries(items, c.ordinals_per_part)
        self._check_catalog(stored)
        catalog: dict[str, list[recompute.Entry]] = {}
        for entry in stored:
            catalog.setdefault(entry.content, []).append(entry)

        quarantined: dict[str, set[str]] = {}
        for message in self.sqs.messages:
            position = f"{message['position']['shard']}:{message['position']['sequence_number']}"
            if self._payload(message) != self.log[position].record.payload:
                raise Violation(f"the payload of {position} in quarantine is not what came")
            quarantined.setdefault(position, set()).add(message["code"])

        digests = self._digests()
        distinct: dict[str, dict[tuple[str, Any, str], recompute.Seen]] = {}
        refused: set[tuple[str, Any, str]] = set()
        missing: dict[tuple[str, Any, str], str] = {}
        expired = {f"{logged.shard}:{logged.sequence_number}" for logged in self.expired}
        for position, logged in self.log.items():
            if position in expired:
                # It came again under another position, and is looked for under that.
                continue
            codes = quarantined.get(position, set())
            seen = recompute.read(logged.record)
            if seen is None:
                if not codes or not codes <= {"malformed", "invalid"}:
                    raise Violation(f"{position} is of no use, and quarantined for {sorted(codes)}")
                self.seen["poison"] += 1
                continue
            if recompute.placed(seen, catalog) is None:
                if not codes or not codes <= UNKNOWN | ({"state_full"} if c.may_refuse else set()):
                    raise Violation(f"{position} is of unknown content, and quarantined for {sorted(codes)}")
                continue
            if "state_full" in codes and c.may_refuse:
                self.seen["refused as state_full"] += 1
            elif not codes <= UNKNOWN:
                raise Violation(f"{position} is valid, and quarantined for {sorted(codes)}")
            if seen.digest in digests.get((seen.user, day_number(seen.day)), ()):
                same = distinct.setdefault(seen.user, {})
                if seen.identity in same:
                    self.seen["duplicates"] += 1
                same.setdefault(seen.identity, seen)
            elif "state_full" in codes:
                refused.add(seen.identity)
            elif not codes:
                raise Violation(f"{position} is lost: {seen.identity} is nowhere")
            else:
                missing[seen.identity] = position
        # What was quarantined for unknown content has come again since: applied, or refused for good.
        if lost := missing.keys() - refused:
            raise Violation(f"{missing[min(lost)]} is lost: it was redriven, and is not in the views")
        self.seen["distinct"] += sum(map(len, distinct.values()))
        self._check_views(stored, distinct, digests)

    def _check_catalog(self, stored: list[recompute.Entry]) -> None:
        expected: dict[tuple[str, str], tuple[str, str, bool, int]] = {}
        for batch in self.history.rows:
            for row in batch:
                place = row.certification, row.content
                if row.image is not None:
                    expected[place] = row.category, row.difficulty, True, row.questions
                elif place in expected:
                    expected[place] = (*expected[place][:2], False, expected[place][3])
        found = {
            (e.certification, e.content): (e.category, e.difficulty, e.active, e.questions) for e in stored
        }
        if found != expected or len(found) != len(stored):
            raise Violation("the catalog is not what the content table says")

    def _digests(self) -> dict[tuple[str, int], set[bytes]]:
        """What the views say was applied, by learner and day."""
        found: dict[tuple[str, int], set[bytes]] = {}
        for (pk, sk), item in self.dynamo.items.items():
            if sk == "STATE" and "latest" in item:
                bucket = item["latest"]["M"]
                number = int(bucket["day"]["N"])
            elif sk.startswith("DAY#"):
                bucket = item
                number = day_number(date.fromisoformat(sk[4:]))
            else:
                continue
            data = bucket["digests"]["B"]
            parts = {data[n : n + 8] for n in range(0, len(data), 8)}
            key = pk[5:], number
            if key in found or 8 * len(parts) != len(data):
                raise Violation(f"{pk}: day {number} is there twice")
            found[key] = parts
        return found

    def _check_views(
        self,
        stored: list[recompute.Entry],
        distinct: dict[str, dict[tuple[str, Any, str], recompute.Seen]],
        digests: dict[tuple[str, int], set[bytes]],
    ) -> None:
        c = self.circumstances
        if sum(map(len, digests.values())) != sum(map(len, distinct.values())):
            raise Violation("the views have digests of what was never sent")
        views = {key: item for key, item in self.dynamo.items.items() if key[0] != "CATALOG"}
        moves = c.moves and not c.catalog_first
        for user, history in distinct.items():
            expected = recompute.learner(user, history.values(), stored, c.freezes, c.catalog_first)
            for key, item in expected.items.items():
                found = views.pop(key, None)
                if found is None:
                    raise Violation(f"{key} is missing")
                if recompute.comparable(found, moves) != recompute.comparable(item, moves):
                    raise Violation(
                        f"{key} differs from its recomputation:\n"
                        f"  stored:     {recompute.comparable(found, moves)}\n"
                        f"  recomputed: {recompute.comparable(item, moves)}"
                    )
                if key[1] == "STATE":
                    self._check_awards(user, expected, found, views)
        if views:
            raise Violation(f"there are items that nothing accounts for: {sorted(views)}")

    def _check_awards(
        self, user: str, expected: recompute.Recomputed, state: Item, views: dict[Key, Item]
    ) -> None:
        earned: list[str] = json.loads(state["earned"]["S"])
        if not expected.due <= set(earned) <= expected.possible:
            raise Violation(
                f"{user} earned {earned}; due {sorted(expected.due)}, possible {sorted(expected.possible)}"
            )
        if earned != sorted(set(earned)):
            raise Violation(f"{user}: {earned} is in no order")
        self.seen["awards"] += len(earned)
        for name in earned:
            item = views.pop((f"USER#{user}", f"EARNED#{name}"), None)
            if item is None:
                raise Violation(f"{user} earned {name}, and there is no item of it")
            award = json.loads(item["award"]["S"])
            rule = name if name in recompute.POINTS else name.split(":")[1]
            if (award["achievement_id"], award["points"]) != (name, recompute.POINTS[rule]):
                raise Violation(f"{user}: the award of {name} is {award}")
            if award["earned_at"] not in expected.instants:
                raise Violation(f"{user}: {name} was earned when nothing happened")


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


def _is_transient(error: BaseException) -> bool:
    """Whether the failure is one that the world is to blame for."""
    passing = (
        ClientError,
        BotoCoreError,
        TimeoutError,
        Contended,
        functions.project.OutOfTime,
    )
    return isinstance(error, passing) or str(error).startswith("the quarantine refused a record")


# -- in place of what is not deterministic --------------------------------------------------------------


class _Clock:
    """In place of the module `time`."""

    def __init__(self, world: World) -> None:
        self.sleep = world.pause


@contextmanager
def circumstances(world: World) -> Iterator[None]:
    """Limits as the history has them; pauses that let others go on instead of time pass."""
    c = world.circumstances
    project, store, quarantine = functions.project, functions.store, functions.quarantine
    items = functions.items
    changes: list[tuple[Any, str, Any]] = [
        (project, "random", world.random),
        (project, "STATES_PER_READ", c.batch_get - 1),
        (project, "MAX_RACES", c.max_races),
        (functions.catalog, "MAX_RACES", c.max_races),
        (store, "time", _Clock(world)),
        (store, "random", world.random),
        (store, "MAX_BATCH_GET", c.batch_get),
        (items, "MAX_TRANSACTION_ITEMS", c.transaction_items),
        (items, "MAX_TRANSACTION_BYTES", c.transaction_bytes),
        (items, "MAX_ITEM_BYTES", c.item_bytes),
        (store, "MAX_CATALOG_READS", c.max_reads),
        (store, "MAX_READ_TRIES", c.max_reads),
        (items, "ORDINALS_PER_PART", c.ordinals_per_part),
        (quarantine, "MAX_INLINE_BYTES", c.inline_bytes),
    ]
    before = [(module, name, getattr(module, name)) for module, name, _ in changes]
    for module, name, value in changes:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def run(history: History, tracing: bool = False) -> Result:
    """Let a history happen."""
    world = World(history, tracing)
    violation = None
    with circumstances(world):
        try:
            world.run()
        except Violation as seen:
            violation = str(seen)
    digest = sha256(repr(sorted(world.dynamo.items.items())).encode()).hexdigest() if tracing else ""
    return Result(
        violation, world.plan.hits, world.seen, tuple(world.plan.fired), tuple(world.trace or ()), digest
    )
