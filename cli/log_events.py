"""Read what the event log has of some learners."""

import tempfile
from collections.abc import Collection, Iterator
from typing import IO, Any

from cli.stack import Stack
from domain.comparing import Logged
from domain.days import microseconds
from domain.log_line import LogLine
from functions.log_objects import LOG, LOG_ERRORS, BadLine, read_line, read_object
from functions.records import Received
from functions.run_files import RunFiles


def events_of(stack: Stack, users: Collection[str]) -> dict[str, list[Logged]]:
    """Return the events that the log has of some learners, in order of arrival. They can come twice."""
    wanted = set(users)
    found: dict[str, list[Logged]] = {}
    for line in _lines(stack, wanted):
        for one in read_line(line):
            if isinstance(one, Received) and one.interaction.user_id in wanted:
                logged = Logged(one.interaction, microseconds(one.arrived_at))
                found.setdefault(one.interaction.user_id, []).append(logged)
    for events in found.values():
        events.sort(key=lambda logged: logged.arrived_at)
    return found


def _lines(stack: Stack, wanted: set[str]) -> Iterator[LogLine]:
    """Yield the lines of these learners, and those whose learner can't be read."""
    files = RunFiles(lambda: stack.client("s3"), stack.outputs["EventLogBucket"], "")
    for prefix in (LOG, LOG_ERRORS):
        for one in files.list(prefix):
            with tempfile.TemporaryFile() as content:
                yield from _lines_in(files, one.key, content, wanted)


def _lines_in(files: RunFiles, key: str, content: IO[Any], wanted: set[str]) -> Iterator[LogLine]:
    modified = files.download(key, content)
    if modified is not None:
        for line in read_object(content, key, modified):
            if not isinstance(line, BadLine) and (line.user_id is None or line.user_id in wanted):
                yield line
