"""Make exports: everything that is stored about a learner, from the views and from the event log."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from domain.achievements import Rarity
from domain.days import day_number, today_in
from domain.erasure import learner_in
from domain.export import LogRecord, export_of
from domain.learner import Learner
from domain.log_line import LogLine
from domain.views import ViewContext
from functions import aws, generations
from functions.erasure_objects import Objects
from functions.export_jobs import Job
from functions.exports import jobs
from functions.log_objects import LOG_ERRORS, BadLine, read_line
from functions.log_query import LogQueries, QueryFailed, lines_in
from functions.log_views import lines_of_learners
from functions.observability import logger
from functions.records import Received
from functions.refusals import Refusals
from functions.store import Store, Stored

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


def make_export(
    live: Store,
    refusals: Iterable[Refusals],
    lines: Callable[[], Iterable[LogLine]] | None,
    user_id: str,
    now: datetime,
) -> dict[str, Any]:
    """Return everything that is stored about a learner.

    `refusals` are those of each generation, and `lines` reads the learner's lines of the log; None if the
    stack keeps none. What is stored twice is there once.
    """
    stored = live.read(user_id, 0) or Stored(Learner(user_id), {}, ())
    catalog = live.full_catalog()
    learner = stored.learner
    today = day_number(today_in(learner.zone, now))
    context = ViewContext(
        learner=learner,
        days=stored.days,
        awards=stored.awards,
        catalog=catalog,
        # Some days can be ahead: a zone of an earlier interaction, or a clock that was wrong.
        today=max(today, learner.calendar.last or 0),
        rarity=Rarity(),
    )
    refused = {
        (refusal.event_id, refusal.utc_day): refusal for each in refusals for refusal in each.all(user_id)
    }
    log = None if lines is None else records_of(user_id, lines())
    return export_of(context, list(refused.values()), log, now)


def records_of(user_id: str, lines: Iterable[LogLine]) -> Iterator[LogRecord]:
    """Yield a learner's records in lines of the log, those inside of frames too."""
    for line in lines:
        if line.arrived_at is None:
            continue
        for one in read_line(line):
            of = one.interaction.user_id if isinstance(one, Received) else learner_in(one.payload)
            if of == user_id:
                code = None if isinstance(one, Received) else one.code
                yield LogRecord(one.payload, one.arrived_at, code)


def to_bytes(export: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield an export as JSON that a person can read."""
    encoder = json.JSONEncoder(ensure_ascii=False, indent=2)
    for piece in encoder.iterencode(export):
        # A lone surrogate in a learner's record must not be the end of the export.
        yield piece.encode(errors="backslashreplace")
    yield b"\n"


def handler(event: dict[str, Any], context: "LambdaContext") -> None:
    """Make the export that was asked for. Lambda invokes this once more if it fails."""
    job = Job(event["user_id"], event["job"], "running", datetime.now(UTC))
    try:
        with TemporaryFile() as file:
            file.writelines(to_bytes(_export(job.user_id)))
            size = file.tell()
            file.seek(0)
            kept = jobs().store(job, file)
    except QueryFailed:
        jobs().note(job, "failed", "The event log could not be read.")
        raise
    except Exception:
        jobs().note(job, "failed", "Something is broken on our side.")
        raise
    logger.info("export", extra={"bytes": size, "kept": kept})


def _export(user_id: str) -> dict[str, Any]:
    client = aws.dynamodb()
    return make_export(
        Store(client, generations.live_table()),
        [Refusals(client, table) for table in generations.tables().values()],
        _lines_of(user_id) if "EVENT_LOG_WORKGROUP" in os.environ else None,
        user_id,
        datetime.now(UTC),
    )


def _lines_of(user_id: str) -> Callable[[], Iterator[LogLine]]:
    queries = LogQueries(
        aws.athena(),
        aws.s3(),
        os.environ["EVENT_LOG_DATABASE"],
        os.environ["EVENT_LOG_WORKGROUP"],
        os.environ["EVENT_LOG_BUCKET"],
        # The local stack's engine is another one.
        "duckdb" if "AWS_ENDPOINT_URL" in os.environ else "athena",
    )
    return lambda: lines_of(queries, Objects(aws.s3(), os.environ["EVENT_LOG_BUCKET"]), user_id)


def lines_of(queries: LogQueries, objects: Objects, user_id: str) -> Iterator[LogLine]:
    """Yield the lines of a learner, and those whose learner can't be read, in no particular order.

    Athena finds them among the lines of the log. What Firehose could not transform is read whole. Raise
    QueryFailed if the query fails.
    """
    yield from lines_in(queries.run(lines_of_learners([user_id], queries.engine)))
    for key in objects.keys(LOG_ERRORS):
        for read in objects.lines(key):
            if not isinstance(read, BadLine):
                yield read
