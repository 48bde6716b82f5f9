"""Read a log's file: compressed or not, as text or as CSV, with each fault by its line and column."""

import csv
import gzip
import json
import re
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import click

_GZIP = b"\x1f\x8b"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
"""The byte order marks."""


_DECODER = json.JSONDecoder()
_BLANKS = re.compile(r"\s*")
_BLANKS_AND_COMMAS = re.compile(r"[\s,]*")


def _next(text: str, position: int, in_array: bool) -> int:
    """Return where the next value begins, or the end of the array or of the text."""
    found = (_BLANKS_AND_COMMAS if in_array else _BLANKS).match(text, position)
    return found.end() if found else position


class Fault(NamedTuple):
    """What is wrong with one row of a file."""

    line: int
    column: str | None
    message: str


class BadRow(ValueError):
    """A row can't be used. `column` names the column at fault, or is None."""

    def __init__(self, column: str | None, message: str) -> None:
        self.column = column
        self.message = message
        super().__init__(message)


@dataclass
class LogFile:
    """A file of a log, and the faults that were found in it so far."""

    path: Path
    faults: list[Fault] = field(default_factory=list)

    def fault(self, line: int, column: str | None, message: str) -> None:
        """Note a fault. The row is left out."""
        self.faults.append(Fault(line, column, message))

    def bad(self, line: int, message: str) -> click.ClickException:
        """Return the exception of a file that can't be read on."""
        return click.ClickException(f"{self.path}:{line}: {message}")

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield the lines with their numbers, without those that are not UTF-8.

        Raise click.ClickException if the file can't be read.
        """
        for number, raw in enumerate(self._raw_lines(), start=1):
            data = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
            try:
                yield number, data.decode()
            except UnicodeDecodeError as error:
                self.fault(number, None, f"byte {error.start + 1} of the line is not UTF-8")

    def _raw_lines(self) -> list[bytes]:
        # All are read at once, so that the file is closed, whatever becomes of its lines.
        lines: list[bytes] = []
        try:
            with self.path.open("rb") as file, gzip.GzipFile(fileobj=file) as unzipped:
                # A file is compressed by what is in it, whatever its name.
                lines.extend(unzipped if file.peek(2)[:2] == _GZIP else file)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise self.bad(len(lines) + 1, f"the compressed file is damaged: {error}") from error
        except OSError as error:
            raise click.ClickException(f"{self.path} can't be read: {error.strerror or error}") from error
        if lines and lines[0].startswith(_UTF_16):
            raise self.bad(1, "it is UTF-16, and must be UTF-8")
        return lines

    def objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the objects of JSON lines with their line numbers, without lines that are none.

        Raise click.ClickException if the file can't be read.
        """
        for number, line in self.lines():
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                self.fault(number, None, f"it is not JSON: {error}")
                continue
            if isinstance(value, dict):
                yield number, value
            else:
                self.fault(number, None, "it is not a JSON object")

    def values(self, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield objects with the numbers of the lines on which they begin, without what is none.

        They are one after the other, as JSON lines are, or in an array, or in the array `name` of an object.
        Raise click.ClickException if the file can't be read.
        """
        lines: list[str] = []
        for number, line in self.lines():
            # A line that is not UTF-8 is left out. The others keep their numbers.
            lines += ["\n"] * (number - 1 - len(lines))
            lines.append(line)
        text = "".join(lines)
        ends = list(accumulate(map(len, lines)))
        position = 0
        in_array = False
        while (position := _next(text, position, in_array)) < len(text):
            if text[position] in "[]":
                in_array = text[position] == "["
                position += 1
                continue
            line_number = bisect_right(ends, position) + 1
            try:
                value, position = _DECODER.raw_decode(text, position)
            except (ValueError, RecursionError) as error:
                if in_array:
                    raise self.bad(line_number, f"it is not JSON: {error}") from error
                self.fault(line_number, None, f"it is not JSON: {error}")
                position = ends[line_number - 1]
                continue
            wrapped = value.get(name) if isinstance(value, dict) else None
            for each in wrapped if isinstance(wrapped, list) else [value]:
                if isinstance(each, dict):
                    yield line_number, each
                else:
                    self.fault(line_number, None, "it is not a JSON object")
        if in_array:
            raise self.bad(len(lines), "the array has no end; is the file complete?")

    def rows(self, columns: Sequence[str], separator: str = ",") -> Iterator[tuple[int, dict[str, str]]]:
        """Yield the rows of a CSV file with their line numbers, without those with too few or many cells.

        Raise click.ClickException if the file can't be read or lacks one of the columns.
        """
        last = 0

        def text() -> Iterator[str]:
            nonlocal last
            for number, line in self.lines():
                last = number
                yield line

        reader = csv.reader(text(), delimiter=separator, strict=True)
        try:
            header = next(reader, None)
            if not header:
                raise self.bad(1, f"there is no header; it must have the columns {', '.join(columns)}")
            self._check_header(header, columns)
            for cells in reader:
                if not cells:
                    continue
                if len(cells) != len(header):
                    self.fault(last, None, f"the row has {len(cells)} cells and the header {len(header)}")
                    continue
                yield last, dict(zip(header, cells, strict=True))
        except csv.Error as error:
            raise self.bad(last, f"it is no CSV: {error}") from error

    def _check_header(self, header: Sequence[str], columns: Sequence[str]) -> None:
        missing = [column for column in columns if column not in header]
        if missing:
            found = ", ".join(header)
            raise self.bad(1, f"column {missing[0]} is missing; the columns are {found[:200]}")
        twice = [column for column in columns if header.count(column) > 1]
        if twice:
            raise self.bad(1, f"column {twice[0]} occurs {header.count(twice[0])} times")
