"""Firehose's data transformation: write each record of the stream as lines of the event log.

A line has the position that the consumer uses. Firehose takes aggregates of the KPL apart before it calls
this function; other frames, and aggregates that it left whole, are taken apart here. A record whose lines
don't fit into the answer is handed on with its frame. If even that does not fit, Firehose keeps the record
under `log-errors/`.
"""

from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from domain.log_line import LogLine, line_for, to_text
from functions.observability import log_request_id, logger
from functions.quarantine import Position
from functions.records import read_data

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

MAX_RESPONSE_BYTES = 6_000_000
"""Lambda refuses an answer of more than 6,291,556 bytes."""
_RECORD_BYTES = 150
"""What a record takes in the answer, besides its data."""


class _Source(NamedTuple):
    """A record as Firehose hands it over."""

    record_id: str
    data: bytes
    arrived_at: datetime
    shard: str
    sequence_number: str
    sub: int
    """The index of the record in an aggregate that Firehose took apart; 0 if there is none."""

    @property
    def position(self) -> Position:
        return Position(self.shard, self.sequence_number)

    def whole(self) -> LogLine:
        """Return the line of a record that is kept as it came."""
        return LogLine(self.data, self.arrived_at, self.shard, self.sequence_number)


@dataclass(slots=True)
class _Transformed:
    """What becomes of one record: lines of the log, or None if it does not fit into the answer."""

    source: _Source
    lines: Sequence[LogLine] | None
    data: bytes = b""

    def keep(self, lines: Sequence[LogLine] | None) -> None:
        """Decide what becomes of the record. One that does not fit is handed back as it came."""
        self.lines = lines
        text = "".join(f"{to_text(line)}\n" for line in lines or ()).encode()
        self.data = b64encode(self.source.data if lines is None else text)

    def answer(self) -> dict[str, str]:
        return {
            "recordId": self.source.record_id,
            "result": "ProcessingFailed" if self.lines is None else "Ok",
            "data": self.data.decode(),
        }


def transform(records: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return what becomes of each of Firehose's records, in order."""
    sources = [_source(record) for record in records]
    last = {source.position: source.sub for source in sources}
    parts: Counter[Position] = Counter()
    done = []
    for source in sources:
        # Of an aggregate, the parts that came before count. A record without a frame has the index 0, too.
        aggregated = last[source.position] > 0
        before = max(parts[source.position], source.sub) if aggregated else None
        lines = _lines(source, before)
        parts[source.position] = (before or 0) + len(lines)
        transformed = _Transformed(source, lines)
        transformed.keep(lines)
        done.append(transformed)
    _fit(done)
    return [one.answer() for one in done]


def _source(record: Mapping[str, Any]) -> _Source:
    # The emulator leaves the metadata out.
    metadata = record.get("kinesisRecordMetadata") or {}
    arrival = metadata.get("approximateArrivalTimestamp") or record["approximateArrivalTimestamp"]
    return _Source(
        record["recordId"],
        b64decode(record["data"]),
        datetime.fromisoformat(arrival) if isinstance(arrival, str) else _from_milliseconds(arrival),
        metadata.get("shardId", ""),
        metadata.get("sequenceNumber", ""),
        int(metadata.get("subsequenceNumber") or 0),
    )


def _from_milliseconds(value: int) -> datetime:
    return datetime.fromtimestamp(value / 1000, UTC)


def _lines(source: _Source, before: int | None) -> list[LogLine]:
    """Return the lines of a record. `before` is the number of parts before it in its aggregate, if any."""
    try:
        return [
            line_for(
                one.payload,
                source.arrived_at,
                *source.position[:2],
                one.position.part if before is None else before + (one.position.part or 1),
            )
            for one in read_data(source.data, source.position, source.arrived_at)
        ]
    except Exception:
        # A bug must not cost a record: replay takes it apart with the code of a later release.
        logger.exception("a record is kept as it came", extra={"position": str(source.position)})
        return [source.whole()]


def _fit(done: Sequence[_Transformed]) -> None:
    """Make the answer small enough: first keep framed records whole, then hand records back as they came.

    The largest ones come first. Kept whole, a record takes a third more than in Firehose's request.
    """
    size = sum(len(one.data) + _RECORD_BYTES for one in done)
    framed = [one for one in done if one.lines and len(one.lines) > 1]
    for candidates, whole in ((framed, True), (done, False)):
        for one in sorted(candidates, key=lambda one: -len(one.data)):
            if size <= MAX_RESPONSE_BYTES:
                return
            size -= len(one.data)
            one.keep([one.source.whole()] if whole else None)
            size += len(one.data)
            logger.warning(
                "too large for the answer",
                extra={"position": str(one.source.position), "kept": "whole" if whole else "log-errors"},
            )


def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Transform a batch of Firehose's records."""
    log_request_id(context.aws_request_id)
    return {"records": transform(event["records"])}
