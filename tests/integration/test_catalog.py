"""The catalog function: the content table's stream becomes the catalog, with permanent ordinals."""

from dataclasses import replace
from typing import Any

import pytest

from domain.catalog import MAX_TITLE_LENGTH, NO_CATEGORY, NO_DIFFICULTY, ContentMetadata
from functions import aws, catalog, catalog_items, items
from functions.catalog import CatalogWriter
from functions.errors import MAX_RACES, Contended, TooLarge
from functions.items import MAX_ITEM_BYTES, item_bytes
from functions.observability import logger, metrics
from functions.store import Store
from tests.faults import cancelled, refuse_writes
from tests.integration.conftest import CATALOG_TIME, VIEWS, Context, World, interaction


def row(
    content_id: str, certification: str = "SAA", image: dict[str, Any] | None = None, *, removed: bool = False
) -> dict[str, Any]:
    """Return one record of the content table's stream."""
    keys = {"content_id": {"S": content_id}, "certification_type": {"S": certification}}
    change: dict[str, Any] = {"Keys": keys}
    if not removed:
        change["NewImage"] = {**keys, **(image or {})}
    return {"eventName": "REMOVE" if removed else "MODIFY", "dynamodb": change}


def deliver(*rows: dict[str, Any]) -> None:
    catalog.handler({"Records": list(rows)}, Context())


def ordinals(world: World, certification: str = "SAA") -> dict[str, tuple[int, bool]]:
    """Return the ordinal of each content, and whether the content is active."""
    contents = world.store.full_catalog().certifications[certification].contents
    return {content.content_id: (content.ordinal, content.active) for content in contents}


def test_new_content_gets_the_next_ordinal(world: World) -> None:
    deliver(row("saa-4"), row("saa-5"))
    assert ordinals(world) == {f"saa-{n + 1}": (n, True) for n in range(5)}


def test_removed_content_keeps_its_ordinal_and_gets_it_back(world: World) -> None:
    deliver(row("saa-2", removed=True), row("saa-4"))
    assert ordinals(world)["saa-2"] == (1, False)
    assert ordinals(world)["saa-4"] == (3, True)
    deliver(row("saa-2"))
    assert ordinals(world)["saa-2"] == (1, True)


def test_a_repeated_change_writes_nothing(world: World) -> None:
    change = row("saa-4", image={"category": {"S": "Storage"}})
    deliver(change)
    before = world.items()
    deliver(change)
    assert world.items() == before


def test_a_row_with_an_invalid_key_is_skipped_and_the_others_are_applied(world: World) -> None:
    deliver(row("no spaces"), row("saa-4"), row("x", "#"))
    assert ordinals(world).keys() == {"saa-1", "saa-2", "saa-3", "saa-4"}
    assert world.store.full_catalog().certifications.keys() == {"DVA", "SAA"}


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({}, ContentMetadata("c", NO_CATEGORY, NO_DIFFICULTY, 1)),
        ({"category": {"S": "  Storage "}}, ContentMetadata("c", "Storage", NO_DIFFICULTY, 1)),
        ({"category": {"S": "\tObject\x01\n Storage"}}, ContentMetadata("c", "Object  Storage")),
        ({"category": {"S": " "}}, ContentMetadata("c", NO_CATEGORY, NO_DIFFICULTY, 1)),
        ({"category": {"S": "x" * 200}}, ContentMetadata("c", "x" * 100, NO_DIFFICULTY, 1)),
        ({"category": {"S": "図" * 60}}, ContentMetadata("c", "図" * 53, NO_DIFFICULTY, 1)),
        ({"category": {"NULL": True}}, ContentMetadata("c", NO_CATEGORY, NO_DIFFICULTY, 1)),
        ({"difficulty_level": {"S": "Advanced"}}, ContentMetadata("c", NO_CATEGORY, "advanced", 1)),
        ({"difficulty_level": {"S": "hard"}}, ContentMetadata("c", NO_CATEGORY, NO_DIFFICULTY, 1)),
        ({"question_count": {"N": "12"}}, ContentMetadata("c", NO_CATEGORY, NO_DIFFICULTY, 12)),
        ({"question_count": {"N": "0"}}, ContentMetadata("c", NO_CATEGORY, NO_DIFFICULTY, 1)),
        ({"question_count": {"N": "1E30"}}, ContentMetadata("c", NO_CATEGORY, NO_DIFFICULTY, 1_000_000)),
        ({"question_count": {"S": "ten"}}, ContentMetadata("c", NO_CATEGORY, NO_DIFFICULTY, 1)),
        ({"pass_mark": {"N": "65.5"}}, ContentMetadata("c", pass_mark=65.5)),
        ({"pass_mark": {"N": "100"}}, ContentMetadata("c", pass_mark=100)),
        ({"pass_mark": {"N": "720"}}, ContentMetadata("c", pass_mark=72)),
        ({"pass_mark": {"N": "1000"}}, ContentMetadata("c", pass_mark=100)),
        ({"pass_mark": {"N": "1000.1"}}, ContentMetadata("c")),
        ({"pass_mark": {"N": "-1"}}, ContentMetadata("c")),
        ({"pass_mark": {"N": "0.72"}}, ContentMetadata("c")),
        ({"pass_mark": {"S": "72"}}, ContentMetadata("c")),
        ({"pass_mark": {"NULL": True}}, ContentMetadata("c")),
        ({"pass_mark": {"N": "0"}}, ContentMetadata("c", pass_mark=0)),
        ({"pass_mark": {"N": "1"}}, ContentMetadata("c", pass_mark=1)),
        ({"correct_rate": {"N": "0.123456"}}, ContentMetadata("c", correct_rate=0.123)),
        (
            {"correct_rate": {"N": "0"}, "answered_by": {"N": "0"}},
            ContentMetadata("c", NO_CATEGORY, NO_DIFFICULTY, 1, True, None, 0.0, 0),
        ),
        (
            {"correct_rate": {"N": "1"}, "answered_by": {"N": "31"}},
            ContentMetadata("c", correct_rate=1.0, answered_by=31),
        ),
        ({"correct_rate": {"NULL": True}, "choices": {"N": "4"}}, ContentMetadata("c", choices=4)),
        ({"correct_rate": {"N": "42"}}, ContentMetadata("c")),
        ({"correct_rate": {"N": "-0.1"}}, ContentMetadata("c")),
        ({"correct_rate": {"S": "0.5"}}, ContentMetadata("c")),
        ({"answered_by": {"N": "-1"}}, ContentMetadata("c")),
        ({"choices": {"N": "101"}}, ContentMetadata("c")),
        ({"choices": {"N": "1"}}, ContentMetadata("c")),
        ({"choices": {"BOOL": True}}, ContentMetadata("c")),
        ({"title": {"S": " What is\na bucket? "}}, ContentMetadata("c", title="What is a bucket?")),
        (
            {"title": {"S": "\u05d0 <b>🪣</b>" + "x" * 400}},
            ContentMetadata("c", title=("\u05d0 <b>🪣</b>" + "x" * 400)[:300]),
        ),
        ({"title": {"S": " "}}, ContentMetadata("c")),
        ({"title": {"N": "1"}}, ContentMetadata("c")),
    ],
)
def test_missing_and_unknown_values_of_a_row_get_a_default(
    image: dict[str, Any], expected: ContentMetadata
) -> None:
    assert catalog.metadata("c", image) == expected


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ({"N": "1000.1"}, 1),
        ({"N": "-1"}, 1),
        ({"N": "0.72"}, 1),
        ({"S": "72"}, 1),
        ({"N": "720"}, 0),
        ({"N": "0"}, 0),
        ({"NULL": True}, 0),
    ],
)
def test_an_impossible_pass_mark_is_refused_loudly(
    world: World, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], refused: int
) -> None:
    counted: list[str] = []
    logged: list[str] = []
    monkeypatch.setattr(metrics, "add_metric", lambda name, *_: counted.append(name))
    monkeypatch.setattr(logger, "error", lambda message, **_: logged.append(message))
    deliver(row("saa-4", image={"pass_mark": given}))
    assert counted.count("ImpossiblePassMarks") == len(logged) == refused


@pytest.mark.parametrize(
    ("name", "given", "refused"),
    [
        ("correct_rate", {"N": "1.01"}, 1),
        ("correct_rate", {"S": "0.5"}, 1),
        ("answered_by", {"N": "-3"}, 1),
        ("choices", {"N": "0"}, 1),
        ("choices", {"N": "4"}, 0),
        ("correct_rate", {"NULL": True}, 0),
    ],
)
def test_other_impossible_metadata_is_refused_loudly_and_the_content_is_kept(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str, given: dict[str, Any], refused: int
) -> None:
    counted: list[str] = []
    logged: list[Any] = []
    monkeypatch.setattr(metrics, "add_metric", lambda name, *_: counted.append(name))
    monkeypatch.setattr(logger, "error", lambda _, extra: logged.append(extra))
    deliver(row("saa-4", image={name: given}))
    assert counted.count("ImpossibleMetadata") == len(logged) == refused
    assert logged == [{"content_id": "saa-4", name: given}] * refused
    assert "saa-4" in ordinals(world)


def test_a_content_keeps_its_ordinal_when_its_rate_becomes_known(world: World) -> None:
    before = world.store.full_catalog().certifications["SAA"]
    known = {"correct_rate": {"N": "0.4"}, "answered_by": {"N": "25"}, "choices": {"N": "4"}}
    deliver(
        row("saa-1", image={"category": {"S": "Storage"}, "difficulty_level": {"S": "beginner"}, **known})
    )
    after = world.store.full_catalog().certifications["SAA"]
    first = before.contents[0]
    assert after.contents[0] == first._replace(correct_rate=0.4, answered_by=25, choices=4)
    assert after.contents[1:] == before.contents[1:]
    assert after.version == before.version + 1


def test_a_catalog_of_more_than_a_thousand_contents_is_stored_in_parts(world: World) -> None:
    many = [ContentMetadata(f"big-{n}", "Storage") for n in range(2_500)]
    CatalogWriter(world.store).update({"BIG": many}, CATALOG_TIME)
    parts = [sk for pk, sk in world.items() if sk.startswith("CERT#BIG#")]
    assert len(parts) == 3
    contents = world.store.full_catalog().certifications["BIG"].contents
    assert [c.content_id for c in contents] == [m.content_id for m in many]
    assert [c.ordinal for c in contents] == list(range(2_500))
    world.calls.clear()
    CatalogWriter(world.store).update({"BIG": [ContentMetadata("big-2400", "Compute")]}, CATALOG_TIME)
    [written] = [params["TransactItems"] for name, params in world.calls if name == "TransactWriteItems"]
    assert len(written) == 2, "the head, and the part that changed"
    assert world.store.full_catalog().certifications["BIG"].by_id["big-2400"].category == "Compute"


def test_titles_are_kept_whole_if_a_part_has_room_for_them(world: World) -> None:
    titled = [ContentMetadata(f"big-{n}", "Storage", title=f"{n} " + "ü" * 100) for n in range(1_000)]
    CatalogWriter(world.store).update({"BIG": titled}, CATALOG_TIME)
    stored = world.store.full_catalog().certifications["BIG"].contents
    assert [content.title for content in stored] == [content.title for content in titled]


def test_the_largest_contents_are_stored_without_titles(world: World) -> None:
    """A thousand contents with the longest ids, categories and titles take more than an item can hold."""
    longest = [
        ContentMetadata(f"{n:0128}", "ü" * 80, "intermediate", 999_999, title='"' * MAX_TITLE_LENGTH)
        for n in range(1_000)
    ]
    before = world.items()
    writer = CatalogWriter(world.store)
    assert writer.update({"BIG": longest}, CATALOG_TIME) == 1
    stored = world.store.full_catalog().certifications["BIG"].contents
    assert [(c.content_id, c.category, c.questions) for c in stored] == [
        (c.content_id, c.category, c.questions) for c in longest
    ]
    assert {len(content.title or "") for content in stored} == {0}
    added = {key: item for key, item in world.items().items() if key not in before}
    assert all(item_bytes(item) <= MAX_ITEM_BYTES for item in added.values())
    written = world.items()
    for another in (writer, CatalogWriter(world.store)):
        assert another.update({"BIG": longest}, CATALOG_TIME) == 0
    assert world.items() == written, "the same change again writes nothing"


def test_titles_are_shortened_together_if_a_part_has_no_room_for_them(world: World) -> None:
    titled = [ContentMetadata(f"big-{n}", "Storage", title="ü" * MAX_TITLE_LENGTH) for n in range(1_000)]
    CatalogWriter(world.store).update({"BIG": titled}, CATALOG_TIME)
    stored = world.store.full_catalog().certifications["BIG"].contents
    assert {len(content.title or "") for content in stored} == {150}


def test_attributes_of_a_later_release_are_kept(world: World) -> None:
    update = CatalogWriter(world.store).update
    update({"BIG": [ContentMetadata("big-1", "Storage")]}, CATALOG_TIME)
    keys = [("CATALOG", "HEAD"), ("CATALOG", "CERT#BIG#000000")]
    for key in keys:
        aws.dynamodb().put_item(TableName=VIEWS, Item={**world.items()[key], "reviewed": {"S": "Ä"}})
    update({"BIG": [ContentMetadata("big-2", "Storage")]}, CATALOG_TIME)
    assert [world.items()[key]["reviewed"] for key in keys] == [{"S": "Ä"}] * 2
    assert len(world.store.full_catalog().certifications["BIG"].contents) == 2


def contents(first: int, last: int, category: str = "Storage") -> list[ContentMetadata]:
    return [ContentMetadata(f"big-{n}", category) for n in range(first, last)]


def test_a_writer_reads_the_head_alone_and_writes_only_the_parts_that_change(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_items, "ORDINALS_PER_PART", 5)
    writer = CatalogWriter(world.store)
    for start in range(0, 50, 10):
        world.calls.clear()
        assert writer.update({"BIG": contents(start, start + 10)}, CATALOG_TIME) == 1
        assert world.operations() == ["GetItem", "TransactWriteItems"]
        assert len(world.calls[-1][1]["TransactItems"]) == 3, "the head, and two new parts"
    world.calls.clear()
    assert writer.update({"BIG": contents(50, 51)}, CATALOG_TIME) == 1
    assert world.operations() == ["GetItem", "TransactWriteItems"]
    assert len(world.calls[-1][1]["TransactItems"]) == 2, "the head, and one part"


def test_a_writer_reads_only_the_parts_that_another_one_has_changed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_items, "ORDINALS_PER_PART", 5)
    writer, other = CatalogWriter(world.store), CatalogWriter(world.store)
    writer.update({"BIG": contents(0, 12)}, CATALOG_TIME)
    other.update({"BIG": [ContentMetadata("big-7", "Moved")]}, CATALOG_TIME)
    world.calls.clear()
    writer.update({"BIG": [ContentMetadata("big-1", "Moved, too")]}, CATALOG_TIME)
    [read] = [params["RequestItems"][VIEWS]["Keys"] for name, params in world.calls if name == "BatchGetItem"]
    assert [key["sk"]["S"] for key in read] == ["CERT#BIG#000001"]
    stored = world.store.full_catalog().certifications["BIG"]
    assert [stored.by_id[f"big-{n}"].category for n in (1, 2, 7)] == ["Moved, too", "Storage", "Moved"]


def test_changes_to_more_parts_than_a_transaction_holds_are_split_in_order(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_items, "ORDINALS_PER_PART", 1)
    monkeypatch.setattr(items, "MAX_TRANSACTION_ITEMS", 4)
    writer = CatalogWriter(world.store)
    twice = [*contents(0, 10), *contents(0, 10, "Moved")]
    assert writer.update({"BIG": twice}, CATALOG_TIME) == 1
    stored = world.store.full_catalog().certifications["BIG"]
    assert [(c.content_id, c.category) for c in stored.contents] == [(f"big-{n}", "Moved") for n in range(10)]


def test_a_change_that_seems_done_is_checked_against_the_head(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the writer reads, another one puts the change into the catalog, and a third takes it back."""
    wanted = [ContentMetadata("saa-1", "Moved")]
    writer = CatalogWriter(world.store)
    stale = writer.store.head()
    CatalogWriter(world.store).update({"SAA": wanted}, CATALOG_TIME)
    heads = iter([stale])
    real = Store.head

    def head(store: Store) -> catalog_items.Head:
        if (before := next(heads, None)) is None:
            return real(store)
        writer.known["SAA"] = replace(world.store.certification("SAA", None, real(store)), version=1)
        CatalogWriter(world.store).update({"SAA": [ContentMetadata("saa-1", "Storage")]}, CATALOG_TIME)
        return before

    monkeypatch.setattr(Store, "head", head)
    assert writer.update({"SAA": wanted}, CATALOG_TIME) == 1
    assert world.store.full_catalog().certifications["SAA"].by_id["saa-1"].category == "Moved"


def test_a_change_that_is_too_large_alone_is_an_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "MAX_TRANSACTION_ITEMS", 1)
    with pytest.raises(TooLarge):
        CatalogWriter(world.store).update({"SAA": contents(0, 3)}, CATALOG_TIME)


@pytest.mark.parametrize("lost", [1, 19, 20])
def test_a_writer_that_loses_races_tries_again_up_to_a_limit(
    world: World, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    refuse_writes(monkeypatch, cancelled("ConditionalCheckFailed", "None"), times=lost)
    writer = CatalogWriter(world.store)
    if lost < MAX_RACES:
        assert writer.update({"SAA": contents(0, 1)}, CATALOG_TIME) == 1
    else:
        with pytest.raises(Contended, match=r"^lost 20 write races for the catalog of SAA$"):
            writer.update({"SAA": contents(0, 1)}, CATALOG_TIME)


def test_without_a_certification_the_oldest_entry_counts_whatever_is_added_later(
    world: World,
) -> None:
    world.project(interaction("a"))
    CatalogWriter(world.store).update({"AAA": [ContentMetadata("saa-1")]}, 1)  # A clock that is far behind.
    world.project(interaction("b"))
    learner = world.store.read_state("ann")
    assert learner is not None
    assert learner.tracks.keys() == {"SAA"}
    assert learner.total.interactions == 2


def test_a_code_that_begins_with_another_code_has_its_own_catalog(world: World) -> None:
    CatalogWriter(world.store).update({"SAA-C03": [ContentMetadata("new-1")]}, CATALOG_TIME)
    certifications = world.store.full_catalog().certifications
    assert [c.content_id for c in certifications["SAA-C03"].contents] == ["new-1"]
    assert len(certifications["SAA"].contents) == 3


@pytest.mark.parametrize("category", ["図" * 100, '"' * 100, "a" + "\x01" * 98 + "a", "\\x" * 50])
def test_a_part_of_a_catalog_fits_into_an_item_whatever_its_categories_contain(
    world: World, category: str
) -> None:
    image = {
        "category": {"S": category},
        "difficulty_level": {"S": "intermediate"},
        "question_count": {"N": "1E30"},
        "pass_mark": {"N": "66.66666666666667"},
        "correct_rate": {"N": "0.1234"},
        "answered_by": {"N": "9999"},
        "choices": {"N": "100"},
    }
    longest = [catalog.metadata(f"{n:0128}", image) for n in range(1_000)]
    CatalogWriter(world.store).update({"X" * 64: longest}, CATALOG_TIME)
    [part] = [item for (_, sk), item in world.items().items() if sk.startswith("CERT#XX")]
    assert item_bytes(part) < MAX_ITEM_BYTES
