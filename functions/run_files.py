"""The files of a rebuild in the event log's bucket, and how the log's objects are listed and read.

| key                                           | content                                                 |
|-----------------------------------------------|---------------------------------------------------------|
| rebuild/<run>/run.json                        | how far the rebuild is                                  |
| rebuild/<run>/seen/<round>.json               | the youngest objects of the log that a listing found    |
| rebuild/<run>/items/<step>.json               | the step's items                                        |
| rebuild/<run>/left/<step>.json                | those that are not done: what Step Functions maps over  |
| rebuild/<run>/todo/<step>/<item>.json         | the objects that an item is about                       |
| rebuild/<run>/progress/<step>/<item>.json     | how far an item is                                      |
| rebuild/<run>/done/<step>/<item>.json         | its report, once it is done                             |
| rebuild/<run>/lines/<step>/<partition>/<item> | lines of the log, of one partition                      |
"""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import batched
from typing import IO, TYPE_CHECKING, Any

from domain.rebuilding import REPORT, RUN, LogObject, Report, Run, Step
from functions.errors import is_transient

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

type ReadAll = Callable[[Callable[[str], bytes | None], Iterable[str]], Iterable[bytes | None]]
REBUILD = "rebuild/"
MAX_DELETED = 1_000
"""Limit of one DeleteObjects call."""
MAX_DOWNLOADS = 4
"""Maximum attempts to read an object whose answer breaks off."""


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The files of one rebuild."""

    s3: "Callable[[], S3Client]"
    bucket: str
    run: str

    @property
    def root(self) -> str:
        """The prefix of all of them."""
        return f"{REBUILD}{self.run}/"

    # -- how far it is -----------------------------------------------------------------------------

    def load(self) -> Run | None:
        """Return how far the rebuild is; None if there is none of this name."""
        body = self.read(f"{self.root}run.json")
        return None if body is None else RUN.validate_json(body)

    def save(self, run: Run) -> None:
        """Store how far the rebuild is."""
        self.write(f"{self.root}run.json", RUN.dump_json(run, exclude_none=True))

    def items(self, step: Step) -> list[str]:
        """Return the names of a step's items."""
        return list(json.loads(self.read(f"{self.root}items/{step.name}.json") or b"[]"))

    def write_items(self, step: Step, names: Sequence[str]) -> None:
        """Store the names of a step's items."""
        self.write(f"{self.root}items/{step.name}.json", json.dumps(names).encode())

    def write_left(self, step: Step, names: Iterable[str]) -> str:
        """Store the items of a step that are not done, for Step Functions, and return the key."""
        key = f"{self.root}left/{step.name}.json"
        self.write(key, json.dumps([{"run": self.run, "step": step.name, "item": n} for n in names]).encode())
        return key

    def done(self, step: Step) -> set[str]:
        """Return the names of the step's items that are done."""
        prefix = f"{self.root}done/{step.name}/"
        return {one.key.removeprefix(prefix).removesuffix(".json") for one in self.list(prefix)}

    def report(self, step: Step, item: str) -> Report | None:
        """Return the report of an item; None if it is not done."""
        body = self.read(f"{self.root}done/{step.name}/{item}.json")
        return None if body is None else REPORT.validate_json(body)

    def finish(self, step: Step, item: str, report: Report) -> None:
        """Mark an item as done."""
        self.write(f"{self.root}done/{step.name}/{item}.json", REPORT.dump_json(report))

    def reports(self, step: Step | None = None, read_all: "ReadAll" = map) -> Iterator[Report]:
        """Yield the reports of the items of a step that are done, or of all steps.

        `read_all` is `map`, or `Executor.map` to read several at a time.
        """
        found = self.list(f"{self.root}done/" + ("" if step is None else f"{step.name}/"))
        for body in read_all(self.read, (one.key for one in found)):
            if body is not None:
                yield REPORT.validate_json(body)

    def progress(self, step: Step, item: str) -> Any:
        """Return how far an item is; None if it has not begun, or kept nothing."""
        body = self.read(f"{self.root}progress/{step.name}/{item}.json")
        return None if body is None else json.loads(body)

    def keep_progress(self, step: Step, item: str, progress: Any) -> None:
        """Store how far an item is."""
        self.write(f"{self.root}progress/{step.name}/{item}.json", json.dumps(progress).encode())

    def todo(self, step: Step, item: str) -> list[LogObject]:
        """Return the objects that an item is about."""
        rows = json.loads(self.read(f"{self.root}todo/{step.name}/{item}.json") or b"[]")
        return [LogObject(*row) for row in rows]

    def write_todo(self, step: Step, item: str, objects: Iterable[LogObject]) -> None:
        """Store the objects that an item is about."""
        self.write(f"{self.root}todo/{step.name}/{item}.json", json.dumps(list(objects)).encode())

    def seen(self, listing: int) -> set[str]:
        """Return the youngest objects that a round's listing found; none if there was no such round."""
        return set(json.loads(self.read(f"{self.root}seen/{listing}.json") or b"[]"))

    def write_seen(self, listing: int, keys: Iterable[str]) -> None:
        """Store the youngest objects that a round's listing found."""
        self.write(f"{self.root}seen/{listing}.json", json.dumps(sorted(keys)).encode())

    def lines_of(self, step: Step, partition: str = "") -> str:
        """Return the prefix of the lines that a step has divided, or of one partition of them."""
        return f"{self.root}lines/{step.name}/" + (f"{partition}/" if partition else "")

    # -- objects -----------------------------------------------------------------------------------

    def list(self, prefix: str, after: str = "") -> Iterator[LogObject]:
        """Yield the objects under a prefix whose keys come after another one, in order of their keys."""
        start: Any = {"StartAfter": after} if after else {}
        pages = (
            self.s3().get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix, **start)
        )
        for page in pages:
            for one in page.get("Contents", ()):
                modified = int(one["LastModified"].astimezone(UTC).timestamp() * 1000)
                yield LogObject(one["Key"], one["Size"], modified)

    def folders(self, prefix: str) -> Iterator[str]:
        """Yield the names of the folders under a prefix, in order."""
        paginator = self.s3().get_paginator("list_objects_v2")
        for page in paginator.paginate(Bucket=self.bucket, Prefix=prefix, Delimiter="/"):
            for one in page.get("CommonPrefixes", ()):
                yield one["Prefix"].removeprefix(prefix).rstrip("/")

    def read(self, key: str) -> bytes | None:
        """Return a small object; None if there is none."""
        try:
            return self.s3().get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except self.s3().exceptions.NoSuchKey:
            return None

    def download(self, key: str, to: IO[bytes]) -> datetime | None:
        """Copy an object into a file, and return the time of the object; None if it is gone.

        The whole object is copied before it is read: an answer that breaks off is no truncated object.
        """
        for attempt in range(MAX_DOWNLOADS):
            to.seek(0)
            to.truncate()
            try:
                answer = self.s3().get_object(Bucket=self.bucket, Key=key)
                shutil.copyfileobj(answer["Body"], to)
            except self.s3().exceptions.NoSuchKey:
                return None
            except Exception as error:
                if attempt == MAX_DOWNLOADS - 1 or not is_transient(error):
                    raise
            else:
                to.seek(0)
                return answer["LastModified"].astimezone(UTC)
        raise AssertionError("each attempt returns or raises")

    def write(self, key: str, body: bytes | IO[bytes]) -> None:
        """Write an object."""
        self.s3().put_object(Bucket=self.bucket, Key=key, Body=body)

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects."""
        for some in batched(keys, MAX_DELETED):
            entries: list[Any] = [{"Key": key} for key in some]
            answer = self.s3().delete_objects(Bucket=self.bucket, Delete={"Objects": entries, "Quiet": True})
            if failed := answer.get("Errors"):
                raise RuntimeError(f"S3 did not delete {len(failed)} objects: {failed[0].get('Code')}")
