"""Rows 1 to 3: capacity units and calls of the consumer, by DynamoDB's published rules."""

from collections.abc import Iterable, Iterator

from benchmarks.consumer import Consumer, consumer, state_bytes
from benchmarks.figures import Figure, Plot, Series, at_most, stated
from benchmarks.histories import (
    Batch,
    History,
    MissingLog,
    contents,
    generated,
    moodle,
    one_each,
    record,
    statistics,
    toeic,
    windows,
)
from cli.logs import Fields

WINDOWS = (10, 60, 300)
LIMITS = {"Moodle": 1.3, "statistics": 1.8}
COUNTED = "counted by DynamoDB's rules over the whole log in order of time"
SPARSE_CONTENTS, SPARSE_TOUCHED = 50_000, 100


def figures() -> Iterator[Figure]:
    """Yield the figures of rows 1 to 3."""
    for read in (moodle, statistics):
        try:
            yield from _log_figures(read())
        except MissingLog as missing:
            yield stated(1, "write units an interaction", f"not measured: {missing}", COUNTED)
    yield from _sparse_figures()
    yield from _call_figures()


def _consumed(history: History, batches: Iterable[Batch]) -> Consumer:
    found = consumer(history.catalog)
    found.consume(batches)
    return found


def _log_figures(history: History) -> Iterator[Figure]:
    number = len(history.interactions)
    for seconds in (None, *WINDOWS):
        batches = one_each(history.interactions)
        if seconds is not None:
            batches = windows(history.interactions, seconds)
        found = _consumed(history, batches)
        writes, reads = found.table.write_units / number, found.table.read_units / number
        name = f"write units an interaction, {history.name}"
        if seconds is None:
            yield at_most(1, f"{name}, 1 each", writes, LIMITS[history.name], COUNTED)
            yield stated(1, f"state bytes by part, {history.name}", _parts(found, history), "mean at the end")
        else:
            yield stated(1, f"{name}, windows of {seconds} s", f"{writes:.2f}", COUNTED)
        window = "1 each" if seconds is None else f"windows of {seconds} s"
        yield stated(1, f"read units an interaction, {history.name}, {window}", f"{reads:.2f}", COUNTED)


def _parts(found: Consumer, history: History) -> str:
    users = {str(fields["user_id"]) for fields in history.interactions}
    sums: dict[str, int] = {}
    for user in users:
        for part, size in state_bytes(found.table, user).items():
            sums[part.removeprefix("track: ")] = sums.get(part.removeprefix("track: "), 0) + size
    largest = sorted(sums.items(), key=lambda part: -part[1])
    shown = ", ".join(f"{part} {size / len(users):.0f}" for part, size in largest[:7])
    return f"{sum(sums.values()) / len(users):.0f}: {shown}"


def _sparse(touched: int) -> tuple[float, int]:
    """Return the units of one more interaction, and the bytes of the state, after so many spread contents."""
    rows = contents(SPARSE_CONTENTS)
    step = SPARSE_CONTENTS // touched
    # One content a minute, in an order that has nothing to do with the ordinals.
    picked = [rows[(n * 37 % touched) * step] for n in range(touched)]
    base = generated(1, 1, rows)[0]
    answers: list[Fields] = [
        {
            **base,
            "event_id": f"e{n}",
            "content_id": row.content_id,
            "interaction_type": "answered",
            "score": 100 * (n % 4 > 0),
            "occurred_at": f"2026-02-{1 + n // 40:02}T10:{n % 40:02}:00+00:00",
        }
        for n, row in enumerate(picked)
    ]
    found = consumer(rows)
    found.consume(one_each(answers[:-1]))
    before = found.table.write_units
    found.consume([[record(answers[-1], touched)]])
    size = sum(state_bytes(found.table, str(base["user_id"])).values())
    return found.table.write_units - before, size


def _sparse_figures() -> Iterator[Figure]:
    units, size = _sparse(SPARSE_TOUCHED)
    name = f"write units with {SPARSE_TOUCHED} touched contents spread over {SPARSE_CONTENTS:,}"
    yield at_most(2, name, units, 2, "one more interaction, generated learner", ".0f")
    _, twice = _sparse(2 * SPARSE_TOUCHED)
    growth = (twice - size) / SPARSE_TOUCHED
    yield stated(
        2, "bytes of the state for each touched content", f"{growth:.1f}", "from 100 to 200 contents"
    )
    try:
        history = toeic()
    except MissingLog as missing:
        yield stated(2, "write units an interaction, TOEIC, 1 each", f"not measured: {missing}", COUNTED)
        return
    found = _consumed(history, one_each(history.interactions))
    units = found.table.write_units / len(history.interactions)
    yield at_most(2, "write units an interaction, TOEIC, 1 each", units, 3, COUNTED)
    yield stated(2, "state bytes by part, TOEIC", _parts(found, history), "mean at the end")


def _call_figures() -> Iterator[Figure]:
    rows = contents(200)
    history = generated(4, 3, rows, learners=500)
    first, last = history[:-500], history[-500:]
    found = consumer(rows)
    found.consume([[record(fields, n) for n, fields in enumerate(first)]])
    found.table.calls.clear()
    found.consume([[record(fields, n) for n, fields in enumerate(last)]])
    calls = found.table.calls
    learners = len({fields["user_id"] for fields in last})
    reads = (calls["BatchGetItem"] + calls["GetItem"] + calls["Query"]) / learners * 100
    writes = (calls["PutItem"] + calls["TransactWriteItems"]) / learners
    how = f"a batch of 500 records of {learners} learners"
    yield at_most(3, "reads for 100 learners", reads, 1, how)
    yield at_most(3, "writes for each learner in a batch", writes, 1.05, how)


def plots() -> Iterator[tuple[str, Plot]]:
    """Yield the plots of these rows, by file name."""
    points = []
    for touched in (10, 30, 100, 300, 1000):
        _, size = _sparse(touched)
        points.append((float(touched), size / 1024))
    title = "State of a learner in a certification of 50,000 contents"
    yield (
        "state.svg",
        Plot(title, "touched contents", "KB", [Series("state", points)]),
    )
