"""The items of the views table: their bytes, as earlier releases stored them, and their sizes."""

import json
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from domain.first_answers import answer_bytes
from domain.learner import Track, Zone
from functions import aws, items
from functions.errors import LaterFormat, TooLarge, Unreadable
from functions.items import Item, award_of, item_bytes, new_award
from tests.integration.conftest import VIEWS, World, interaction
from tests.integration.stored import STORED, STUDY


def test_a_release_stores_the_same_bytes_as_earlier_releases(world: World) -> None:
    world.project(*STUDY)
    assert world.items() == {(item["pk"]["S"], item["sk"]["S"]): item for item in STORED}


def test_a_release_reads_the_items_of_earlier_releases(world: World) -> None:
    for item in STORED:
        aws.dynamodb().put_item(TableName=VIEWS, Item=item)
    assert world.project(*STUDY).duplicates == 3
    stored = world.store.read("ann", 0)
    assert stored is not None
    assert stored.learner.total.seconds == 180
    assert stored.learner.zone == "Europe/Helsinki"
    assert stored.learner.named_zone == Zone(1772348400000000, "Europe/Helsinki")
    assert [award.points for award in stored.awards] == [20, 300]
    assert [stored.learner.tracks["SAA"].best_score(n) for n in range(4)] == [8_000, None, 9_250, None]


def without_first_answers() -> Item:
    state = deepcopy(STORED[0])
    del state["tracks"]["M"]["SAA"]["M"]["first"]
    return state


def stored_track(world: World) -> Track:
    stored = world.store.read("ann", 0)
    assert stored is not None
    return stored.learner.tracks["SAA"]


def test_content_scored_before_first_answers_were_kept_has_no_first_answer(world: World) -> None:
    for item in (*STORED, without_first_answers()):
        aws.dynamodb().put_item(TableName=VIEWS, Item=item)
    late = interaction("d", content_id="saa-1", score=10, occurred_at="2026-03-01T08:00:00+02:00")
    world.project(late, interaction("e", content_id="saa-2", score=50, occurred_at="2026-03-02T10:00:00Z"))
    track = stored_track(world)
    assert (set(track.scored), set(track.first_of)) == ({0, 1, 2}, {1})
    assert track.first == answer_bytes(1772445600000000, 5_000)


def test_first_answers_that_another_release_left_behind_are_dropped(world: World) -> None:
    state = deepcopy(STORED[0])
    # A release that does not know `first` has scored saa-2.
    track = state["tracks"]["M"]["SAA"]["M"]
    track |= {"scored": {"B": b"\x00\x07"}, "best": {"B": b"\x00\x1f@\x00\x00$\x22"}}
    for item in (*STORED, state):
        aws.dynamodb().put_item(TableName=VIEWS, Item=item)
    assert (set(stored_track(world).first_of), stored_track(world).first) == (set(), b"")
    world.project(interaction("f", content_id="saa-1", score=50, occurred_at="2026-03-02T10:00:00Z"))
    assert stored_track(world).first == b"", "it can't be the first answer, because saa-1 was scored before"


@pytest.mark.parametrize("first", [b"\x01", b"\x04\x01\x05\x01\x00\x00", b"\x02\x00", b"\x02\x02\x01"])
def test_first_answers_that_no_release_can_have_written_are_unreadable(first: bytes) -> None:
    state = deepcopy(STORED[0])
    state["tracks"]["M"]["SAA"]["M"]["first"] = {"B": first}
    with pytest.raises(Unreadable):
        items.learner_of(state)


def test_a_closed_day_keeps_the_attributes_of_a_later_release(world: World) -> None:
    [day] = [item for item in STORED if item["sk"]["S"].startswith("DAY#")]
    [(code, sums)] = day["tallies"]["M"].items()
    later = {"N": "7"}
    item = {**day, "mood": later, "tallies": {"M": {code: {"M": {**sums["M"], "mood": later}}}}}
    for stored in (*STORED, item):
        aws.dynamodb().put_item(TableName=VIEWS, Item=stored)
    late = {**STUDY[0], "event_id": "a-late-one"}
    assert world.project(late).applied == 1
    written = world.items()[day["pk"]["S"], day["sk"]["S"]]
    assert written != item
    assert (written["mood"], written["tallies"]["M"][code]["M"]["mood"]) == (later, later)


def test_a_state_of_a_later_format_is_refused(world: World) -> None:
    aws.dynamodb().put_item(TableName=VIEWS, Item={**STORED[0], "format": {"N": "3"}})
    with pytest.raises(LaterFormat, match=r"^the state has format 3; this release reads 2$"):
        world.store.read_state("ann")


def test_a_new_award_may_be_silent() -> None:
    announced, silent = new_award(STORED[2]), new_award({**STORED[2], "silent": {"BOOL": True}})
    assert announced.user_id == "ann"
    assert announced.award._asdict() == json.loads(STORED[2]["award"]["S"])
    assert not announced.silent
    assert silent == replace(announced, silent=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("achievement_id", 7),
        ("achievement_type", None),
        ("title", ["a"]),
        ("description", {}),
        ("badge_icon", 1.5),
        ("points", "30"),
        ("points", True),
        ("points", None),
        ("earned_at", 1.5),
        ("earned_at", "2026-03-01"),
        ("earned_at", 10**30),
        ("certification_type", 7),
    ],
)
def test_an_award_with_a_field_of_a_wrong_type_is_unreadable(name: str, value: Any) -> None:
    fields = {**json.loads(STORED[2]["award"]["S"]), name: value}
    with pytest.raises(Unreadable):
        award_of({**STORED[2], "award": {"S": json.dumps(fields)}})


def test_the_size_of_an_item_includes_its_names_and_values() -> None:
    assert item_bytes({"pk": {"S": "Ä"}}) == 2 + 2
    assert item_bytes({"n": {"N": "123"}}) == 1 + 4
    assert item_bytes({"b": {"B": b"12345"}}) == 1 + 6
    assert item_bytes({"t": {"BOOL": True}}) == 1 + 1
    assert item_bytes({"é": {"M": {"ü": {"S": "x"}, "y": {"S": "zz"}}}}) == 2 + 3 + (1 + 2 + 1) + (1 + 1 + 2)


def test_the_size_limits_match_dynamodb_to_the_byte() -> None:
    largest = {"a": {"S": "x" * (400 * 1024 - 1)}}
    one_more = {"a": {"S": "x" * 400 * 1024}}
    items.check_size([largest])
    with pytest.raises(TooLarge, match=r"^an item of 409601 bytes$"):
        items.check_size([{"a": {"S": ""}}, one_more])
    items.check_size([{"a": {"S": ""}}] * 100)
    with pytest.raises(TooLarge, match=r"^101 items in one transaction$"):
        items.check_size([{"a": {"S": ""}}] * 101)
    ten = 10 * [largest]
    rest = 4 * 1024 * 1024 - 10 * 400 * 1024
    items.check_size([*ten, {"a": {"S": "x" * (rest - 1)}}])
    with pytest.raises(TooLarge, match=r"^4194305 bytes in one transaction$"):
        items.check_size([*ten, {"a": {"S": "x" * rest}}])
