"""An S3 bucket in a directory, with the calls of boto3's client that a rebuild makes."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_SLASH = "\u2044"
"""What stands for a slash in a file's name."""


class NoSuchKey(Exception):
    """There is no object of this key."""


class _Exceptions:
    NoSuchKey = NoSuchKey


@dataclass
class DiskBucket:
    """Objects as files. It keeps none of them in memory."""

    directory: Path
    exceptions = _Exceptions

    def put_object(self, *, Bucket: str, Key: str, Body: Any) -> None:
        """Write an object."""
        with self._path(Key).open("wb") as file:
            if isinstance(Body, bytes):
                file.write(Body)
            else:
                shutil.copyfileobj(Body, file)

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        """Return an object."""
        path = self._path(Key)
        try:
            return {"Body": path.open("rb"), "LastModified": _modified(path)}
        except FileNotFoundError as error:
            raise NoSuchKey(Key) from error

    def delete_objects(self, *, Bucket: str, Delete: dict[str, Any]) -> dict[str, Any]:
        """Delete objects."""
        for entry in Delete["Objects"]:
            self._path(entry["Key"]).unlink(missing_ok=True)
        return {}

    def get_paginator(self, operation: str) -> "DiskBucket":
        """Return the paginator of listings."""
        assert operation == "list_objects_v2"
        return self

    def paginate(
        self, *, Bucket: str, Prefix: str, Delimiter: str = "", StartAfter: str = ""
    ) -> Iterator[dict[str, Any]]:
        """Yield a listing, in one page."""
        keys = sorted(path.name.replace(_SLASH, "/") for path in self.directory.iterdir())
        found = [key for key in keys if key.startswith(Prefix) and key > StartAfter]
        if Delimiter:
            names = sorted({Prefix + key.removeprefix(Prefix).split("/")[0] + "/" for key in found})
            yield {"CommonPrefixes": [{"Prefix": name} for name in names]}
        else:
            yield {"Contents": [self._entry(key) for key in found]}

    def _entry(self, key: str) -> dict[str, Any]:
        path = self._path(key)
        return {"Key": key, "Size": path.stat().st_size, "LastModified": _modified(path)}

    def _path(self, key: str) -> Path:
        return self.directory / key.replace("/", _SLASH)


def _modified(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)
