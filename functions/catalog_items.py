"""The items of the catalog in the views table, and their conversion to the domain and back.

| pk          | sk                  | content                                                  |
|-------------|---------------------|----------------------------------------------------------|
| CATALOG     | HEAD                | the version of each part of the catalog                  |
| CATALOG     | CERT#<code>#<part>  | 1,000 ordinals of a certification                        |

A part and the head are written in one transaction, so the head says which parts a reader has to read again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic_core import from_json

from domain.catalog import Certification, Content
from functions import items
from functions.breakdowns import dumps
from functions.items import Item

ORDINALS_PER_PART = 1000
CATALOG_PK = "CATALOG"
HEAD: Item = {"pk": {"S": CATALOG_PK}, "sk": {"S": "HEAD"}}
"""The key of the catalog's head."""
_UNCONDITIONAL: Mapping[str, Any] = MappingProxyType({})
_CONTENT_FIELDS = len(Content._fields) - 2
"""The stored fields of a content that this release knows: without its ordinal and `unknown`."""
_FIRST_FIELDS = 7
"""The stored fields of a content that all releases have."""
_TITLED_SHARE = 0.96
"""The share of an item that a part with titles may fill. The rest is for what a later release adds."""
_TITLE_LENGTHS = (150, 80, 40, 0)
"""How long titles may be in a part that has no room for all of them. 0 leaves them out."""


@dataclass(frozen=True, slots=True)
class Head:
    """The catalog's head: what tells a reader which parts of the catalog to read again."""

    version: int
    certifications: Mapping[str, tuple[int, ...]]
    """For each certification, and each of its parts, the version of its catalog that wrote the part last."""
    newest: int = 0
    """The latest time of assignment of an ordinal, in microseconds since 1970."""

    def version_of(self, code: str) -> int:
        """Return the version of a certification's catalog; 0 if it has none."""
        return max(self.certifications.get(code, ()), default=0)


def head_of(item: Item) -> Head:
    """Return the catalog's head in an item."""
    parts = from_json(item["certifications"]["S"])
    return Head(
        int(item["version"]["N"]),
        {code: tuple(versions) for code, versions in parts.items()},
        int(item["newest"]["N"]),
    )


def head_item(head: Head) -> Item:
    """Return the item of the catalog's head."""
    return {
        **HEAD,
        "version": {"N": str(head.version)},
        "certifications": {"S": dumps(dict(sorted(head.certifications.items())))},
        "newest": {"N": str(head.newest)},
    }


def update_of(item: Item, condition: Mapping[str, Any] = _UNCONDITIONAL) -> Item:
    """Return the update that writes an item, and keeps what a later release added to the stored one."""
    # None of the names is a word that DynamoDB reserves. The emulation in the tests would refuse one.
    names = sorted(item.keys() - HEAD.keys())
    values = {f":{name}": item[name] for name in names}
    return {
        **condition,
        "Key": {name: item[name] for name in HEAD},
        "UpdateExpression": "SET " + ", ".join(f"{name} = :{name}" for name in names),
        "ExpressionAttributeValues": {**condition.get("ExpressionAttributeValues", {}), **values},
    }


def part_key(code: str, part: int) -> Item:
    """Return the key of one part of a certification's catalog. Parts count from 0."""
    return {"pk": {"S": CATALOG_PK}, "sk": {"S": f"CERT#{code}#{part:06}"}}


def part_of(contents: Sequence[Content], part: int) -> Sequence[Content]:
    """Return those of a certification's contents that are in this part."""
    return contents[part * ORDINALS_PER_PART : (part + 1) * ORDINALS_PER_PART]


def part_item(certification: Certification, part: int) -> Item:
    """Return the item of one part of a certification's catalog."""
    contents = part_of(certification.contents, part)
    return {
        **part_key(certification.code, part),
        "version": {"N": str(certification.version)},
        "contents": {"S": dumps([_row(content) for content in contents])},
    }


def with_titles_that_fit(before: Certification, after: Certification) -> Certification:
    """Return a changed catalog with titles so short that each of its parts fits into an item.

    A thousand contents with the longest possible ids and categories leave hardly any room for titles. Nearly
    every catalog keeps all of its titles whole. Return `before` if nothing else has changed.
    """
    if after is before:
        return before
    contents: list[Content] = []
    for part in range(-(-len(after.contents) // ORDINALS_PER_PART)):
        found = part_of(after.contents, part)
        contents += found if found == part_of(before.contents, part) else _fitting(after, part)
    if tuple(contents) == before.contents:
        return before
    return replace(after, contents=tuple(contents))


def _fitting(certification: Certification, part: int) -> Sequence[Content]:
    """Return the contents of a part, with titles so short that its item can be written."""
    whole = found = part_of(certification.contents, part)
    for length in _TITLE_LENGTHS:
        item = part_item(Certification(certification.code, certification.version, tuple(found)), 0)
        if items.item_bytes(item) <= _TITLED_SHARE * items.MAX_ITEM_BYTES:
            break
        found = [c._replace(title=(c.title or "")[:length].rstrip() or None) for c in whole]
    return found


def _row(content: Content) -> list[Any]:
    row = [*content[1:-1], *content.unknown]
    # Few contents have all the fields of later releases. Those at the end that have no value are left out.
    while len(row) > _FIRST_FIELDS and row[-1] is None:
        row.pop()
    return row


class Part(NamedTuple):
    """One part of a certification's catalog."""

    code: str
    number: int
    version: int
    """The version of the certification's catalog that wrote it."""
    contents: tuple[Content, ...]


def stored_part(item: Item) -> Part:
    """Return the part of a certification's catalog in an item."""
    _, code, number = item["sk"]["S"].split("#")
    first = int(number) * ORDINALS_PER_PART
    rows = from_json(item["contents"]["S"])
    contents = tuple(_content(ordinal, fields) for ordinal, fields in enumerate(rows, first))
    return Part(code, int(number), int(item["version"]["N"]), contents)


def _content(ordinal: int, fields: list[Any]) -> Content:
    content = Content(ordinal, *fields[:_CONTENT_FIELDS])
    unknown = fields[_CONTENT_FIELDS:]
    return content._replace(unknown=tuple(unknown)) if unknown else content
