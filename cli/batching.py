"""Split items into batches that stay within the limits of a call."""

from collections.abc import Callable, Iterable, Iterator


def split[T](
    items: Iterable[T], *, max_items: int, max_bytes: int, size: Callable[[T], int]
) -> Iterator[list[T]]:
    """Yield the items in order, in batches of at most `max_items` items and `max_bytes` bytes.

    `size` returns an item's bytes. An item larger than `max_bytes` gets a batch of its own.
    """
    batch: list[T] = []
    batch_bytes = 0
    for item in items:
        item_bytes = size(item)
        if batch and (len(batch) == max_items or batch_bytes + item_bytes > max_bytes):
            yield batch
            batch, batch_bytes = [], 0
        batch.append(item)
        batch_bytes += item_bytes
    if batch:
        yield batch
