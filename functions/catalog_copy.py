"""Bring the catalog of one generation of the views up to that of the other one.

Each version of the catalog is written first into one generation, always the same one, and then copied. So the
two never assign ordinals independently: the catalog of one is what that of the other was.
"""

from typing import Any

from botocore.exceptions import ClientError

from functions import catalog_items, items
from functions.catalog_items import Head
from functions.errors import MAX_RACES, Contended, is_contention, is_failed_condition
from functions.items import Item
from functions.store import Store, if_version


def copy_catalog(source: Store, target: Store) -> bool:
    """Copy the catalog's items from one generation into another one that is behind it, as they are stored.

    Return whether it was behind. Raise Contended if the catalog keeps changing, and TooLarge if one
    transaction can't hold what has changed.
    """
    for _ in range(MAX_RACES):
        # The target first: what it lacks can then only be found in the source.
        behind, head = target.head(), source.head()
        if head.version <= behind.version:
            return False
        parts = source.stored_catalog(_changed(behind, head))
        [stored_head] = source.stored_catalog([catalog_items.HEAD])
        # Parts can be newer than the head. What is copied must belong to one moment.
        if catalog_items.head_of(stored_head).version != head.version:
            continue
        if behind.version == 0:
            # Nobody reads parts without a head, so they need not fit into one transaction.
            if not all(_is_stored(target, part) for part in parts):
                continue
            parts = []
        if _put_together(target, behind.version, stored_head, parts):
            return True
    raise Contended("the catalog changes faster than it can be copied")


def _changed(behind: Head, head: Head) -> list[Item]:
    """Return the key of each part that one head has in another version."""
    known = behind.certifications
    return [
        catalog_items.part_key(code, number)
        for code, versions in head.certifications.items()
        for number, version in enumerate(versions)
        if known.get(code, ())[number : number + 1] != (version,)
    ]


def _is_stored(target: Store, part: Item) -> bool:
    """Write a part, unless the stored one is as new. Return False if another writer is at it."""
    newer: Any = {
        "ConditionExpression": "attribute_not_exists(pk) OR version < :version",
        "ExpressionAttributeValues": {":version": part["version"]},
    }
    try:
        target.client.put_item(TableName=target.table, Item=part, **newer)
    except ClientError as error:
        if not is_contention(error):
            raise
        return is_failed_condition(error)
    return True


def _put_together(target: Store, version: int, head: Item, parts: list[Item]) -> bool:
    """Write head and parts if the stored head has this version. Return whether it has."""
    items.check_size([head, *parts])
    puts: list[Item] = [{"Item": head, **if_version(version)}, *({"Item": part} for part in parts)]
    entries: list[Any] = [{"Put": {"TableName": target.table, **put}} for put in puts]
    try:
        target.client.transact_write_items(TransactItems=entries)
    except ClientError as error:
        if not is_contention(error):
            raise
        return False
    return True
