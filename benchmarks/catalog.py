"""Measure what a catalog of 50,000 contents costs its writer and its readers: calls, items, bytes, CPU time.

python -m benchmarks.catalog

DynamoDB is a dictionary here, so the seconds are those of Streakline's own code. A strongly consistent read
costs one read unit for 4 KB, and an eventually consistent one half of it.
"""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from domain.catalog import Catalog, ContentMetadata
from functions.catalog import CatalogWriter
from functions.items import Item, item_bytes
from functions.store import Store

CONTENTS = 50_000
BATCH = 1_000
CODE = "BIG"


class Dynamo:
    """The operations that the catalog uses, and what they have cost since the last report."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Item] = {}
        self.reset()

    def reset(self) -> None:
        """Begin to count anew."""
        self.calls: Counter[str] = Counter()
        self.read: list[int] = []
        self.written: list[int] = []
        self.units = 0.0

    def get_item(self, **request: Any) -> Item:
        """Return one item."""
        self.calls["GetItem"] += 1
        item = self._read(request["Key"], request["ConsistentRead"])
        return {"Item": item} if item else {}

    def batch_get_item(self, **request: Any) -> Item:
        """Return the items that exist."""
        self.calls["BatchGetItem"] += 1
        [(table, wanted)] = request["RequestItems"].items()
        found = [self._read(key, wanted["ConsistentRead"]) for key in wanted["Keys"]]
        return {"Responses": {table: [item for item in found if item]}}

    def transact_write_items(self, **request: Any) -> None:
        """Write the items. There is one writer, so all conditions hold."""
        self.calls["TransactWriteItems"] += 1
        for entry in request["TransactItems"]:
            update = entry["Update"]
            values = update["ExpressionAttributeValues"]
            assigned = (
                each.split(" = ") for each in update["UpdateExpression"].removeprefix("SET ").split(", ")
            )
            item = {**update["Key"], **{name: values[value] for name, value in assigned}}
            self.items[item["pk"]["S"], item["sk"]["S"]] = item
            self.written.append(item_bytes(item))

    def _read(self, key: Item, consistent: bool) -> Item | None:
        item = self.items.get((key["pk"]["S"], key["sk"]["S"]))
        if item is not None:
            self.read.append(item_bytes(item))
            self.units += -(-self.read[-1] // 4096) * (1 if consistent else 0.5)
        return item


def measure[T](dynamo: Dynamo, what: str, action: Callable[[], T]) -> T:
    """Do something, and print what it cost."""
    dynamo.reset()
    start = time.process_time()
    result = action()
    seconds = time.process_time() - start
    print(
        f"{what:34} {dynamo.calls.total():5} {len(dynamo.read):6} {sum(dynamo.read) / 1e6:8.2f} "
        f"{dynamo.units:8.0f} {len(dynamo.written):8} {sum(dynamo.written) / 1e6:8.2f} {seconds:7.2f}"
    )
    return result


def main() -> None:
    """Print the costs."""
    dynamo = Dynamo()
    client: Any = dynamo
    store = Store(client, "views")
    rows = [
        ContentMetadata(f"content-{n:06}", f"Category {n % 25}", "beginner", 1 + n % 7)
        for n in range(CONTENTS + 2)
    ]
    writer = CatalogWriter(store)

    def fill() -> None:
        for start in range(0, CONTENTS, BATCH):
            writer.update({CODE: rows[start : start + BATCH]}, start + 1)

    def derive(catalog: Catalog) -> None:
        certification = catalog.certifications[CODE]
        _ = catalog.knows("content-000000", None), certification.active, certification.categories

    print(f"{'':34} {'calls':>5} {'read':>6} {'MB':>8} {'units':>8} {'written':>8} {'MB':>8} {'CPU s':>7}")
    measure(dynamo, f"writer: {CONTENTS // BATCH} batches of {BATCH:,}", fill)
    measure(dynamo, "writer: one more content", lambda: writer.update({CODE: [rows[-1]]}, CONTENTS))
    cold = CatalogWriter(store)
    measure(dynamo, "new writer: one more content", lambda: cold.update({CODE: [rows[-2]]}, CONTENTS))
    known = measure(dynamo, "new reader", store.full_catalog)
    measure(dynamo, "its sets and places", lambda: derive(known))
    writer.update({CODE: [rows[0]._replace(category="Moved")]}, CONTENTS)
    measure(dynamo, "reader: one content changed", lambda: store.catalog(known, store.head()))


if __name__ == "__main__":
    main()
