"""The catalog: permanent ordinals, and the place where an interaction counts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.catalog import (
    Catalog,
    Certification,
    ContentMetadata,
    UnknownCertification,
    UnknownContent,
    assign,
)

changes = st.lists(
    st.builds(
        ContentMetadata,
        st.sampled_from(["a", "b", "c", "d"]),
        st.sampled_from(["x", "y"]),
        active=st.booleans(),
    ),
    max_size=20,
)


@given(changes, changes)
def test_an_ordinal_never_moves_to_other_content(
    first: list[ContentMetadata], second: list[ContentMetadata]
) -> None:
    before = assign(Certification("SAA"), first, 1)
    after = assign(before, second, 2)
    for content in before.contents:
        assert after.contents[content.ordinal].content_id == content.content_id
        assert after.contents[content.ordinal].assigned_at == 1
    assert [content.ordinal for content in after.contents] == list(range(len(after.contents)))
    last = {change.content_id: change for change in [*first, *second]}
    for content in after.contents:
        assert content.active == last[content.content_id].active


@given(changes)
def test_repeating_the_same_changes_has_no_effect(given_changes: list[ContentMetadata]) -> None:
    once = assign(Certification("SAA"), given_changes, 1)
    last = {change.content_id: change for change in given_changes}.values()
    assert assign(once, last, 2) is once


def test_content_that_returns_gets_its_old_ordinal() -> None:
    saa = assign(Certification("SAA"), [ContentMetadata("a"), ContentMetadata("b")], 1)
    removed = assign(saa, [ContentMetadata("a", active=False)], 2)
    assert list(removed.active) == [1]
    returned = assign(removed, [ContentMetadata("a")], 3)
    assert returned.by_id["a"].ordinal == 0
    assert list(returned.active) == [0, 1]
    assert (saa.version, removed.version, returned.version) == (1, 2, 3)


def test_an_interaction_without_a_certification_counts_for_the_oldest_entry() -> None:
    saa = assign(Certification("SAA"), [ContentMetadata("shared")], 2)
    dva = assign(Certification("DVA"), [ContentMetadata("shared"), ContentMetadata("own")], 1)
    catalog = Catalog({"SAA": saa, "DVA": dva})
    assert catalog.place("shared", None).certification == "DVA"
    assert catalog.place("shared", "SAA").certification == "SAA"
    same_time = Catalog(
        {"SAA": saa, "DVA": replace(dva, contents=(dva.contents[0]._replace(assigned_at=2),))}
    )
    assert same_time.place("shared", None).certification == "DVA", "the code breaks the tie"


def test_unknown_content_and_content_of_another_certification_raise_different_errors() -> None:
    catalog = Catalog({"SAA": assign(Certification("SAA"), [ContentMetadata("a")], 1)})
    with pytest.raises(UnknownContent):
        catalog.place("b", None)
    with pytest.raises(UnknownCertification):
        catalog.place("a", "DVA")
    assert catalog.knows("a", None)
    assert catalog.knows("a", "SAA")
    assert not catalog.knows("a", "DVA")
    assert not catalog.knows("b", None)


def test_inactive_content_still_has_its_place() -> None:
    saa = assign(Certification("SAA"), [ContentMetadata("a", "Storage")], 1)
    removed = assign(saa, [ContentMetadata("a", active=False)], 2)
    assert Catalog({"SAA": removed}).place("a", None).content.category == "Storage"
