"""Row 8: the cost of one interaction in a large table, and with a large catalog."""

import gc
from collections.abc import Iterator

from benchmarks.consumer import Consumer, consumer
from benchmarks.counted_table import UncountedTable, key_of
from benchmarks.figures import Figure, at_most, interleaved
from benchmarks.histories import contents, fixed, generated, record
from cli.logs import CatalogRow, Fields
from functions.items import user_pk

EACH = 1_000
"""Interactions of each learner in the table."""
SMALL, LARGE = 100, 10_000
"""Learners in the smaller and in the larger table: 100 thousand and 10 million interactions."""
SAMPLE = 50
"""Learners with one more interaction."""


def _filled(learners: int) -> tuple[Consumer, list[Fields]]:
    """Return a table of learners with the same history, and one more interaction of some of them."""
    rows = contents(150)
    history = generated(EACH // 20 + 1, 20, rows)
    found = consumer(rows, UncountedTable())
    found.consume(fixed(history[:EACH], 500))
    [user] = {str(fields["user_id"]) for fields in history}
    table = found.table
    own = [(sk, table.items[user_pk(user), sk]) for sk in table.sort_keys[user_pk(user)]]
    for learner in range(learners):
        pk = user_pk(f"copy-{learner}")
        for _, item in own:
            copy = {**item, "pk": {"S": pk}}
            table.items[key_of(copy)] = copy
            table.sizes[key_of(copy)] = 0
        table.sort_keys[pk] = [sk for sk, _ in own]
    step = learners // SAMPLE
    return found, [{**history[EACH], "user_id": f"copy-{n * step}"} for n in range(SAMPLE)]


def _restored(found: Consumer, more: list[Fields]) -> None:
    """Apply the further interactions, each alone, and put the states back."""
    table = found.table
    for n, fields in enumerate(more):
        pk = user_pk(str(fields["user_id"]))
        before = {sk: table.items[pk, sk] for sk in table.sort_keys[pk]}
        found.consume([[record(fields, n)]])
        for sk in table.sort_keys[pk]:
            table.items.pop((pk, sk))
        table.items.update({(pk, sk): item for sk, item in before.items()})
        table.sort_keys[pk] = list(before)


def _in_catalog(certifications: int, each: int) -> tuple[Consumer, list[Fields]]:
    """Return a consumer with so many certifications, and interactions of the first one."""
    rows: list[CatalogRow] = contents(150)
    for number in range(certifications - 1):
        rows += contents(each, f"C{number:02}")
    found = consumer(rows, UncountedTable())
    history = generated(30, 20, rows[:150])
    found.consume(fixed(history[:500], 500))
    return found, history[500:550]


def figures() -> Iterator[Figure]:
    """Yield the figures of row 8."""
    small, large = _filled(SMALL), _filled(LARGE)
    # A service's table costs no garbage collection here.
    gc.collect()
    gc.freeze()
    seconds = interleaved({"small": lambda: _restored(*small), "large": lambda: _restored(*large)}, rounds=9)
    how = (
        f"consumer's CPU on a table in memory, learners with {EACH:,} interactions each; the larger table "
        "holds copies of one learner"
    )
    name = "one interaction with 10 million in the table over 100 thousand"
    yield at_most(8, name, seconds["large"] / seconds["small"], 1.1, how)
    one, many = _in_catalog(1, 0), _in_catalog(50, 1017)
    seconds = interleaved({"one": lambda: _restored(*one), "many": lambda: _restored(*many)}, rounds=9)
    contents_in_many = 150 + 49 * 1017
    name = f"one interaction with 50 certifications and {contents_in_many:,} contents over 1 and 150"
    yield at_most(8, name, seconds["many"] / seconds["one"], 1.3, "consumer's CPU of 50 single interactions")
