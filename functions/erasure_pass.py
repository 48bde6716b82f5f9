"""One pass over everything outside the views that holds records of erased learners.

A state machine (EraseLog in the template) makes the steps: `begin` takes along all erasures that are listed
and says which objects of the log are to be read; `quarantine` rewrites queues, failed batches and large
payloads; `objects` rewrites some objects of the log, many times at once; `end` takes those off the list of
which nothing can come back.

An object that a pass has rewritten need not be read again for the same erasures. So the second pass, after
the stream's seven days, reads only what has been written since the first one began.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from domain.days import instant, microseconds
from domain.erasure import Erasure, Erasures
from functions import aws
from functions.erasure import Erasing, erasing
from functions.erasure_letters import Letters
from functions.erasure_objects import Objects
from functions.log_objects import LOG, LOG_ERRORS
from functions.observability import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

MANIFESTS = "erasures/"
"""Prefix of the lists of objects that a pass reads. They name objects, and no learners."""
BATCH_BYTES = 64 * 1024 * 1024
BATCH_OBJECTS = 200
"""Maximum bytes and objects of the log that one invocation reads."""
MARGIN = timedelta(days=1)
"""How much earlier an object can have been written than the pass thinks that has read it already."""


class Begun(NamedTuple):
    """What a pass has to do."""

    began_at: int
    """Microseconds since 1970."""
    erasures: int
    batches: int
    bucket: str
    manifest: str
    """The key of the list of batches; each is an object with the `keys` of objects."""


@dataclass(frozen=True, slots=True)
class Pass:
    """The steps of a pass over one stack."""

    erasing: Erasing
    objects: Objects
    letters: Letters

    def begin(self, now: datetime) -> Begun:
        """Take along all erasures that are listed. End those in the views that were interrupted."""
        began_at = microseconds(now)
        asked = [self._take(erasure, now) for erasure in self.erasing.listed.all()]
        taken = [erasure for erasure in asked if erasure is not None]
        manifest = f"{MANIFESTS}{now:%Y%m%dT%H%M%SZ}.json"
        since = min((erasure.passed_at or 0 for erasure in taken), default=0)
        batches = self._write_manifest(manifest, instant(since) - MARGIN if since else None) if taken else 0
        return Begun(began_at, len(taken), batches, self.objects.bucket, manifest)

    def _take(self, erasure: Erasure, now: datetime) -> Erasure | None:
        """Return an erasure as it is taken along; None if it is another one meanwhile."""
        done = self.erasing.erase_in_views(erasure)
        if done.starts_at is None:
            for eraser in self.erasing.erasers:
                eraser.keep(done.user_id, now)
        taken = done._replace(taken_at=microseconds(now))
        return taken if self.erasing.listed.change(done, taken) else None

    def _write_manifest(self, key: str, since: datetime | None) -> int:
        """Write the list of batches of the log's objects that are at least this new. Return their number."""
        count = 0
        with TemporaryFile() as file:
            file.write(b"[")
            for keys in self._batches(since):
                file.write((b",\n" if count else b"\n") + json.dumps({"keys": keys}).encode())
                count += 1
            file.write(b"\n]\n")
            file.seek(0)
            self.objects.s3.put_object(Bucket=self.objects.bucket, Key=key, Body=file)
        return count

    def _batches(self, since: datetime | None) -> Iterator[list[str]]:
        keys: list[str] = []
        size = 0
        for prefix in (LOG, LOG_ERRORS):
            for found in self.objects.list(prefix):
                if since is not None and found["LastModified"] < since:
                    continue
                if keys and (len(keys) == BATCH_OBJECTS or size + found["Size"] > BATCH_BYTES):
                    yield keys
                    keys, size = [], 0
                keys.append(found["Key"])
                size += found["Size"]
        if keys:
            yield keys

    def erasures(self) -> Erasures:
        """Return the erasures that are listed now: those that were taken along, and later ones."""
        return Erasures({erasure.user_id: erasure for erasure in self.erasing.listed.all()})

    def end(self, began_at: int, manifest: str) -> int:
        """Note what the pass has done, and take those off the list that are over. Return their number."""
        over = 0
        for erasure in self.erasing.listed.all():
            if erasure.taken_at != began_at:
                continue
            if erasure.ends_with(began_at):
                over += self.erasing.listed.remove(erasure)
            else:
                self.erasing.listed.change(erasure, erasure._replace(passed_at=began_at))
        self.objects.s3.delete_object(Bucket=self.objects.bucket, Key=manifest)
        return over


type Step = Literal["begin", "quarantine", "objects", "end"]


@cache
def the_pass() -> Pass:
    """Return the pass over this process's stack, configured by its environment."""
    objects = Objects(aws.s3(), os.environ["EVENT_LOG_BUCKET"])
    letters = Letters(aws.sqs(), objects, os.environ["QUARANTINE_URL"], os.environ["RULE_DEAD_LETTERS_URL"])
    return Pass(erasing(), objects, letters)


def _begin(_: dict[str, Any]) -> dict[str, Any]:
    return the_pass().begin(datetime.now(UTC))._asdict()


def _quarantine(_: dict[str, Any]) -> dict[str, Any]:
    one = the_pass()
    erasures = one.erasures()
    # The messages first: one whose payload is gone could not be told from others.
    messages = one.letters.erase(erasures)
    return {"messages": messages, **one.objects.erase_from_quarantine(erasures)._asdict()}


def _objects(event: dict[str, Any]) -> dict[str, Any]:
    one = the_pass()
    return one.objects.erase_from_log(event["keys"], one.erasures())._asdict()


def _end(event: dict[str, Any]) -> dict[str, Any]:
    return {"over": the_pass().end(event["began_at"], event["manifest"])}


STEPS: dict[Step, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "begin": _begin,
    "quarantine": _quarantine,
    "objects": _objects,
    "end": _end,
}


def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Make one step of a pass. What it answers names no learner: the state machine keeps it for 90 days."""
    step: Step = event["step"]
    done = STEPS[step](event)
    logger.info("erasure pass", extra={"step": step, **done})
    return done
