"""Divide the log's lines by learner: one pass of a rebuild over some of its objects.

Files on the local disk hold what is written, so memory does not grow with the log.
"""

import gzip
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from domain.log_line import LogLine, line_for, to_text
from domain.rebuilding import BITS_PER_LEVEL, MAX_LISTED, LogObject, Report, Step, partition_of
from functions.log_objects import BadLine, read_line, read_object
from functions.records import Received
from functions.run_files import RunFiles

COMPRESSION = 1
"""gzip's level. The files live for an hour, and better compression costs more than their storage."""
BUFFER_BYTES = 32 * 1024
"""How much of a partition's lines is gathered before it is compressed."""


@dataclass(slots=True)
class _Notes:
    """What the report of a pass is made of."""

    lines: int = 0
    bad: list[str] = field(default_factory=list)
    bad_lines: int = 0
    gone: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)


def divide(files: RunFiles, step: Step, item: str, bits: int) -> Report:
    """Divide the lines of an item's objects, and return what became of them.

    Doing it again writes the same files. Lines whose learner can't be read are counted by the reason for
    which the consumer refuses them, and left out.
    """
    notes = _Notes()
    objects = files.todo(step, item)
    is_first = step.level == 1
    bits_here = min(bits, step.level * BITS_PER_LEVEL)
    with tempfile.TemporaryDirectory() as directory:
        with _Writers(Path(directory), bits_here) as writers:
            for line in _lines(files, objects, notes):
                for own in _of_one_learner(line, notes):
                    writers.write(own)
        if notes.gone and not is_first:
            # Another invocation has done this item, and is deleting what it has read.
            raise FileNotFoundError(f"{notes.gone[0]} is gone")
        for path in sorted(Path(directory).iterdir()):
            with path.open("rb") as content:
                files.write(f"{files.lines_of(step, path.name)}{item}.gz", content)
    return Report(
        # The lines of a further pass are those of the first one.
        objects=len(objects) - len(notes.gone) if is_first else 0,
        lines=notes.lines if is_first else 0,
        gone=tuple(notes.gone[:MAX_LISTED]),
        objects_gone=len(notes.gone),
        bad=tuple(notes.bad),
        bad_lines=notes.bad_lines,
        refused=dict(notes.refused),
    )


def _lines(files: RunFiles, objects: Iterable[LogObject], notes: _Notes) -> Iterator[LogLine]:
    for one in objects:
        with tempfile.TemporaryFile() as content:
            modified = files.download(one.key, content)
            if modified is None:
                notes.gone.append(one.key)
                continue
            for line in read_object(content, one.key, modified):
                if isinstance(line, BadLine):
                    notes.bad_lines += 1
                    if len(notes.bad) < MAX_LISTED:
                        notes.bad.append(f"{line.key}, line {line.line}: {line.why}")
                else:
                    notes.lines += 1
                    yield line


def _of_one_learner(line: LogLine, notes: _Notes) -> Iterator[LogLine]:
    """Yield a line as it is if it says whose it is and of which kind, else a line for each event in it."""
    if line.user_id is not None and line.kind is not None:
        yield line
        return
    for one in read_line(line):
        if isinstance(one, Received):
            where = one.position
            yield line_for(one.payload, one.arrived_at, where.shard, where.sequence_number, where.part)
        else:
            notes.refused[one.code] += 1


class _Writers:
    """A compressed file for each partition."""

    def __init__(self, directory: Path, bits: int) -> None:
        self._directory = directory
        self._bits = bits
        self._open = ExitStack()
        self._files: dict[str, IO[bytes]] = {}
        self._buffers: dict[str, list[str]] = {}
        self._sizes: Counter[str] = Counter()

    def __enter__(self) -> "_Writers":
        return self

    def __exit__(self, *error: Any) -> None:
        for name in self._buffers:
            self._flush(name)
        self._open.close()

    def write(self, line: LogLine) -> None:
        """Add a line to the file of its learner's partition."""
        if line.user_id is None:
            raise ValueError("the line says nothing about its learner")
        name, text = partition_of(line.user_id, self._bits), to_text(line)
        self._buffers.setdefault(name, []).append(text)
        self._sizes[name] += len(text)
        if self._sizes[name] > BUFFER_BYTES:
            self._flush(name)

    def _flush(self, name: str) -> None:
        lines, self._buffers[name] = self._buffers[name], []
        self._sizes[name] = 0
        if lines:
            self._file(name).write("".join(f"{line}\n" for line in lines).encode())

    def _file(self, name: str) -> IO[bytes]:
        if name not in self._files:
            # Without the time in the header, so that doing it again writes the same bytes.
            made: Any = gzip.GzipFile(self._directory / name, "wb", COMPRESSION, mtime=0)
            self._files[name] = self._open.enter_context(made)
        return self._files[name]
