"""Rewrite the objects of the event log's bucket without erased learners.

An object is replaced only if it is still the one that was read, so a pass that knows fewer erasures never
brings back what another one has taken out.
"""

import gzip
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from domain.erasure import Erasures
from domain.log_line import LogLine, UnreadableLine
from functions.erased_data import data_left, failed_batch_left, lines_left
from functions.errors import MAX_RACES, Contended
from functions.log_objects import BadLine, raw_lines, read_object
from functions.observability import logger
from functions.quarantine import PAYLOADS

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FAILED_BATCHES = "aws/lambda/"
"""Prefix of the objects that Lambda writes to an event source's on-failure destination."""
_GONE = {"NoSuchKey", "404"}
_CHANGED = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}


class Rewritten(NamedTuple):
    """What became of the objects that were looked at."""

    read: int = 0
    changed: int = 0
    deleted: int = 0

    def plus(self, other: "Rewritten") -> "Rewritten":
        """Return the sums with another result."""
        return Rewritten(self.read + other.read, self.changed + other.changed, self.deleted + other.deleted)


@dataclass(frozen=True, slots=True)
class Objects:
    """The objects of one bucket."""

    s3: "S3Client"
    bucket: str

    def list(self, prefix: str) -> Iterator[Any]:
        """Yield S3's descriptions of the objects under a prefix."""
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
            yield from page.get("Contents", [])

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys under a prefix."""
        for found in self.list(prefix):
            yield found["Key"]

    def read(self, key: str) -> bytes | None:
        """Return the content of an object; None if it is gone."""
        found = self._get(key)
        return None if found is None else found["Body"].read()

    def lines(self, key: str) -> Iterator[LogLine | BadLine]:
        """Yield the records in an object of the log; none if it is gone."""
        found = self._get(key)
        if found is not None:
            yield from read_object(found["Body"], key, found["LastModified"])

    def erase_from_log(self, keys: Iterable[str], erasures: Erasures) -> Rewritten:
        """Rewrite objects of the log that have records of erased learners.

        Raise an ExceptionGroup if some can't be read or written, but only after all others have been tried.
        """
        return self._each(keys, lambda key: self._erase_from_log(key, erasures))

    def erase_from_quarantine(self, erasures: Erasures) -> Rewritten:
        """Rewrite failed batches and large payloads. Raise an ExceptionGroup as `erase_from_log` does."""

        def batch(content: bytes, last_modified: datetime) -> bytes | None:
            return failed_batch_left(content, last_modified, erasures)

        def payload(content: bytes, last_modified: datetime) -> bytes | None:
            return data_left(content, last_modified, erasures)

        of_batches = self._each(self.keys(FAILED_BATCHES), lambda key: self._erase_whole(key, batch))
        return of_batches.plus(self._each(self.keys(PAYLOADS), lambda key: self._erase_whole(key, payload)))

    def _each(self, keys: Iterable[str], erase: Callable[[str], Rewritten]) -> Rewritten:
        done = Rewritten()
        errors: list[Exception] = []
        for key in keys:
            try:
                done = done.plus(erase(key))
            except Exception as error:  # raised with the others
                error.add_note(f"at the object {key}")
                errors.append(error)
        if errors:
            raise ExceptionGroup(f"{len(errors)} objects were not rewritten", errors)
        return done

    def _get(self, key: str) -> Any:
        """Return S3's answer with an object; None if it is gone."""
        try:
            return self.s3.get_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in _GONE:
                return None
            raise

    def _put(self, key: str, found: Any, body: IO[bytes] | bytes) -> bool:
        """Replace an object. Return False if it is another one meanwhile."""
        names = ("ContentEncoding", "ContentType", "Metadata", "StorageClass")
        kept = {name: found[name] for name in names if found.get(name)}
        try:
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, IfMatch=found["ETag"], **kept)
        except ClientError as error:
            if error.response["Error"]["Code"] in _CHANGED | _GONE:
                return False
            raise
        return True

    def _erase_whole(self, key: str, left_of: Callable[[bytes, datetime], bytes | None]) -> Rewritten:
        """Rewrite an object that is small enough to be read as a whole."""
        for _ in range(MAX_RACES):
            found = self._get(key)
            if found is None:
                return Rewritten()
            content = found["Body"].read()
            left = left_of(content, found["LastModified"])
            if left is content:
                return Rewritten(1)
            if left is None:
                self.s3.delete_object(Bucket=self.bucket, Key=key)
                return Rewritten(1, deleted=1)
            if self._put(key, found, left):
                return Rewritten(1, 1)
        raise Contended(f"the object {key} keeps changing")

    def _erase_from_log(self, key: str, erasures: Erasures) -> Rewritten:
        for _ in range(MAX_RACES):
            found = self._get(key)
            if found is None:
                return Rewritten()
            if not self._has_erased(key, found, erasures):
                return Rewritten(1)
            again = self._get(key)
            if again is None or again["ETag"] != found["ETag"]:
                continue
            with TemporaryFile() as file:
                if not self._write_left(key, again, erasures, file):
                    self.s3.delete_object(Bucket=self.bucket, Key=key)
                    return Rewritten(1, deleted=1)
                file.seek(0)
                if self._put(key, again, file):
                    return Rewritten(1, 1)
        raise Contended(f"the object {key} keeps changing")

    def _has_erased(self, key: str, found: Any, erasures: Erasures) -> bool:
        lines = _readable(key, found["Body"])
        return any(lines_left(text, key, found["LastModified"], erasures) is not None for text in lines)

    def _write_left(self, key: str, found: Any, erasures: Erasures, file: IO[bytes]) -> bool:
        """Write the lines that are left of an object, compressed. Return whether there are some.

        What can't be decompressed is left out: no replay could read it.
        """
        is_empty = True
        with gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as content:
            for text in _readable(key, found["Body"]):
                lines = lines_left(text, key, found["LastModified"], erasures)
                for line in [text] if lines is None else lines:
                    content.write(line + b"\n")
                    is_empty = is_empty and not line.strip()
        return not is_empty


def _readable(key: str, body: Any) -> Iterator[bytes]:
    """Yield the lines of an object, as far as they can be read."""
    for line in raw_lines(body):
        if isinstance(line, UnreadableLine):
            logger.warning("a part of an object can't be read", extra={"key": key, "why": str(line)})
        else:
            yield line
