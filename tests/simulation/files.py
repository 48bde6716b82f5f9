"""A simulated S3 with the operations of a rebuild, and its faults."""

from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from tests.simulation.aws_errors import client_error, timeout
from tests.simulation.faults import (
    CRASH_AFTER,
    CRASH_BEFORE,
    INTERNAL,
    LOST,
    THROTTLED,
    Crash,
)
from tests.simulation.world import World

FAULTS = (CRASH_BEFORE, CRASH_AFTER, LOST, THROTTLED, INTERNAL)
PAGE = 3


class NoSuchKey(Exception):
    """There is no object of this key."""


class _Exceptions:
    NoSuchKey = NoSuchKey


class _Broken(BytesIO):
    """An answer that breaks off."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise timeout(0)


class Files:
    """One bucket, with the methods of boto3's client."""

    exceptions = _Exceptions

    def __init__(self, world: World) -> None:
        self.world = world
        self.objects: dict[str, bytes] = {}
        self.modified: dict[str, datetime] = {}
        self.now = datetime(2026, 11, 27, tzinfo=UTC)

    def put(self, key: str, body: bytes) -> None:
        """Put an object, without a fault."""
        self.objects[key] = body
        self.modified[key] = self.now

    def put_object(self, *, Bucket: str, Key: str, Body: Any) -> None:
        fault = self._draw("put_object")
        self.put(Key, Body if isinstance(Body, bytes) else Body.read())
        self._after(fault, "PutObject")

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        fault = self._draw("get_object")
        if Key not in self.objects:
            raise NoSuchKey(Key)
        if fault == LOST:
            return {"Body": _Broken(b""), "LastModified": self.modified[Key]}
        self._after(fault, "GetObject")
        return {"Body": BytesIO(self.objects[Key]), "LastModified": self.modified[Key]}

    def delete_objects(self, *, Bucket: str, Delete: dict[str, Any]) -> dict[str, Any]:
        fault = self._draw("delete_objects")
        for entry in Delete["Objects"]:
            self.objects.pop(entry["Key"], None)
        self._after(fault, "DeleteObjects")
        return {}

    def get_paginator(self, operation: str) -> "Files":
        assert operation == "list_objects_v2"
        return self

    def paginate(
        self, *, Bucket: str, Prefix: str, Delimiter: str = "", StartAfter: str = ""
    ) -> Iterator[dict[str, Any]]:
        """Yield the pages of a listing. Each is a call of its own."""
        last = StartAfter
        while True:
            fault = self._draw("list_objects_v2")
            found = sorted(key for key in self.objects if key.startswith(Prefix) and key > last)
            if Delimiter:
                found = sorted({Prefix + key.removeprefix(Prefix).split("/")[0] + "/" for key in found})
                found = [name for name in found if name > last]
            self._after(fault, "ListObjectsV2")
            page = found[:PAGE]
            if Delimiter:
                yield {"CommonPrefixes": [{"Prefix": name} for name in page]}
            else:
                yield {"Contents": [self._entry(key) for key in page if key in self.objects]}
            if len(found) <= PAGE:
                return
            last = page[-1] + ("\U0010ffff" if Delimiter else "")

    def _entry(self, key: str) -> dict[str, Any]:
        return {"Key": key, "Size": len(self.objects[key]), "LastModified": self.modified[key]}

    def _draw(self, operation: str) -> str | None:
        """Let other actors continue, then return the fault that this call meets."""
        self.world.switch()
        site = f"rebuild: {operation}"
        fault = self.world.plan.draw(site, FAULTS)
        self.world.note(site, fault)
        if fault == CRASH_BEFORE:
            raise Crash(site)
        if fault == THROTTLED:
            raise client_error("SlowDown", "Please reduce your request rate.", operation, 503)
        return fault

    def _after(self, fault: str | None, operation: str) -> None:
        """Raise if the caller never learns that its call took effect."""
        if fault == CRASH_AFTER:
            raise Crash(operation)
        if fault in (LOST, INTERNAL):
            raise client_error("InternalError", "no answer", operation, 500)
