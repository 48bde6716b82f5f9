"""The consumer itself, on a counted table: what the benchmarks fold with."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import batched
from typing import Any, cast

from benchmarks.counted_table import CountedTable, value_bytes
from benchmarks.histories import Batch
from cli.logs import CatalogRow
from domain.catalog import Certification, ContentMetadata, assign
from functions import items
from functions.project import Projector
from functions.store import Store

TABLE = "views"
CONTENTS_PER_WRITE = 10_000


class NoQuarantine:
    """A quarantine that takes nothing: the benchmarks fold only what can be applied."""

    def put(self, records: Any) -> None:
        """Raise ValueError if anything is refused."""
        if records:
            raise ValueError(f"{len(records)} records were refused: {records[0]}")


@dataclass
class Consumer:
    """A projector and its table."""

    table: CountedTable
    projector: Projector

    def consume(self, batches: Iterable[Batch]) -> int:
        """Apply batches. Return how many interactions they had."""
        return sum(self.projector.project(batch).applied for batch in batches)


def consumer(catalog: Iterable[CatalogRow], table: CountedTable | None = None) -> Consumer:
    """Return a consumer with this content in its catalog. The catalog's writes and reads are not counted."""
    table = table or CountedTable()
    store = Store(cast(Any, table), TABLE)
    fill_catalog(store, catalog)
    projector = Projector(store, cast(Any, NoQuarantine()))
    projector.catalog = store.full_catalog()
    table.calls.clear()
    table.written.clear()
    table.write_units = table.read_units = table.bytes_read = 0
    return Consumer(table, projector)


def fill_catalog(store: Store, rows: Iterable[CatalogRow]) -> None:
    """Put content into the catalog, all of it assigned on 2010-01-01."""
    by_certification: dict[str, list[ContentMetadata]] = {}
    for row in rows:
        metadata = ContentMetadata(row.content_id, row.category)
        by_certification.setdefault(row.certification_type, []).append(metadata)
    for code, contents in sorted(by_certification.items()):
        before = Certification(code)
        for chunk in batched(contents, CONTENTS_PER_WRITE):
            after = assign(before, chunk, 1_262_304_000_000_000)
            assert store.commit_catalog(store.head(), before, after)
            before = after


def state_bytes(table: CountedTable, user_id: str) -> dict[str, int]:
    """Return the bytes of each part of a learner's state."""
    state = table.items[items.user_pk(user_id), "STATE"]
    sizes: dict[str, int] = {}
    for name, value in state.items():
        if name == "tracks":
            for track in value["M"].values():
                for part, inner in track["M"].items():
                    sizes[f"track: {part}"] = sizes.get(f"track: {part}", 0) + value_bytes(inner)
        else:
            sizes[name] = len(name) + value_bytes(value)
    return sizes
