"""A mastery is awarded once for the contents it covers, whatever becomes of the categories' names."""

from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.achievements import category_rules, slug
from domain.catalog import Catalog, Certification, ContentMetadata, assign
from domain.content_set import ContentSet
from domain.fold import Buckets, fold
from domain.interaction import Interaction
from domain.learner import Learner, Track, goals, overdue
from domain.mastery import open_mastery
from domain.tally import PERFECT
from tests.factory import make_parsed

NETWORK, RENAMED = "Networking", "Network & CDN"


class Platform:
    """A certification whose categories change, and a learner who studies it."""

    def __init__(self) -> None:
        self.certification = Certification("SAA")
        self.learner = Learner("ann")
        self.awards: list[str] = []
        self._event = count()

    @property
    def catalog(self) -> Catalog:
        return Catalog({"SAA": self.certification})

    def put(self, category: str, *contents: str) -> None:
        """Put contents into a category, whether they are new or come from another one."""
        rows = [ContentMetadata(content, category) for content in contents]
        self.certification = assign(self.certification, rows, 1 + len(self.certification.contents))

    def retire(self, *contents: str) -> None:
        rows = [ContentMetadata(content, active=False) for content in contents]
        self.certification = assign(self.certification, rows, 1)

    def study(self, *contents: str, **fields: Any) -> list[str]:
        """Complete contents with a perfect score. Return the masteries that this earns."""
        earned: list[str] = []
        for content in contents:
            change = fold(self.learner, Buckets(), [self._interaction(content, **fields)], self.catalog)
            self.learner = change.learner
            earned += [a.achievement_id for a in change.awards if a.achievement_type == "category"]
        self.awards += earned
        return earned

    def _interaction(self, content: str, **fields: Any) -> Interaction:
        number = next(self._event)
        whole = {"content_id": content, "kind": "completed", "score": PERFECT, "at": 1_000_000 * number}
        return make_parsed(**{"event_id": f"e{number}", "day": 9_000, **whole, **fields})

    def open_masteries(self) -> set[str]:
        """Return the masteries that the view shows as goals."""
        names = (goal.achievement.achievement_id for goal in goals(self.learner, self.catalog))
        return {name for name in names if ":mastered:" in name}


def of(category: str) -> str:
    return f"SAA:mastered:{slug(category)}"


@pytest.fixture
def platform() -> Platform:
    """Networking has the contents n1 to n4 and is mastered. Storage has s1 to s4 and is not begun."""
    made = Platform()
    made.put(NETWORK, "n1", "n2", "n3", "n4")
    made.put("Storage", "s1", "s2", "s3", "s4")
    assert made.study("n1", "n2", "n3", "n4") == [of(NETWORK)]
    return made


def test_a_renamed_category_is_not_mastered_again(platform: Platform) -> None:
    platform.put(RENAMED, "n1", "n2", "n3", "n4")
    assert platform.study("n1", "n2", "n3", "n4", "n1") == []
    assert platform.open_masteries() == {of("Storage")}
    assert overdue(platform.learner, platform.catalog, 7).awards == ()


def test_neither_a_second_renaming_nor_the_old_name_brings_another_mastery(platform: Platform) -> None:
    for name in (RENAMED, "Networks", NETWORK, RENAMED):
        platform.put(name, "n1", "n2", "n3", "n4")
        assert platform.study("n1", "n2", "n3", "n4") == []


def test_a_renaming_row_by_row_brings_no_mastery_on_its_way(platform: Platform) -> None:
    for content in ("n1", "n2", "n3", "n4"):
        platform.put(RENAMED, content)
        assert platform.study("n1", "n2", "n3", "n4") == []


def test_a_category_renamed_before_its_mastery_is_mastered_once(platform: Platform) -> None:
    platform.study("s1", "s2")
    platform.put("Object Storage", "s1", "s2", "s3", "s4")
    assert platform.study("s3", "s4", "s1") == [of("Object Storage")]
    platform.put("Storage", "s1", "s2", "s3", "s4")
    assert platform.study("s1", "s2", "s3", "s4") == []


def test_a_merger_of_mastered_categories_brings_nothing(platform: Platform) -> None:
    platform.study("s1", "s2", "s3", "s4")
    platform.put("Infrastructure", "n1", "n2", "n3", "n4", "s1", "s2", "s3", "s4")
    assert platform.study("n1", "s1") == []


def test_a_merger_brings_a_mastery_if_at_least_half_of_it_is_new(platform: Platform) -> None:
    platform.put("Infrastructure", "n1", "n2", "n3", "n4", "s1", "s2", "s3", "s4")
    assert platform.study("s1", "s2", "s3", "s4") == [of("Infrastructure")]


def test_a_merger_that_is_mostly_mastered_brings_nothing(platform: Platform) -> None:
    platform.put(NETWORK, "s1")
    platform.put("Infrastructure", "n1", "n2", "n3", "n4", "s1")
    assert platform.study("s1", "n1") == []


def test_the_parts_of_a_mastered_category_bring_nothing(platform: Platform) -> None:
    platform.put("VPC", "n1", "n2")
    platform.put("CDN", "n3")
    assert platform.study("n1", "n2", "n3", "n4") == []


def test_the_parts_of_a_category_that_was_not_mastered_bring_a_mastery_each(platform: Platform) -> None:
    platform.put("Object Storage", "s1", "s2")
    assert platform.study("s1", "s2", "s3", "s4") == [of("Object Storage"), of("Storage")]


def test_a_category_that_grows_after_its_mastery_stays_mastered(platform: Platform) -> None:
    platform.put(NETWORK, *(f"more{n}" for n in range(20)))
    assert platform.study(*(f"more{n}" for n in range(20))) == []
    assert of(NETWORK) not in platform.open_masteries()


def test_a_new_category_under_an_old_name_has_a_mastery_of_its_own(platform: Platform) -> None:
    platform.put(RENAMED, "n1", "n2", "n3", "n4")
    platform.put(NETWORK, "x1", "x2")
    assert platform.open_masteries() == {f"{of(NETWORK)}:8", of("Storage")}
    assert platform.study("x1", "x2", "x1") == [f"{of(NETWORK)}:8"]
    platform.retire("x1")
    platform.put(NETWORK, "x3")
    assert platform.study("x2", "x3") == [], "it is the same category"
    platform.put("Edge", "x2", "x3")
    platform.put(NETWORK, "y1", "y2")
    assert platform.study("y1", "y2", "y1") == [f"{of(NETWORK)}:11"]


def test_a_category_whose_contents_were_all_replaced_stays_mastered(platform: Platform) -> None:
    platform.put(NETWORK, "x1", "x2")
    platform.retire("n1", "n2", "n3", "n4")
    assert platform.study("x1", "x2") == []


def test_a_mastery_of_unknown_contents_is_kept(platform: Platform) -> None:
    """A release that did not note the contents, or a rebuild, has carried the award over."""
    tracks = {"SAA": platform.learner.tracks["SAA"]._replace(mastered={})}
    platform.learner = platform.learner._replace(tracks=tracks)
    platform.put(NETWORK, "x1")
    assert platform.study("x1", "n1") == []


def test_an_overdue_mastery_covers_its_contents(platform: Platform) -> None:
    platform.study("s1", "s2", "s3")
    platform.retire("s4")
    found = overdue(platform.learner, platform.catalog, 7)
    assert {award.achievement_id for award in found.awards} >= {of("Storage")}
    assert found.learner.tracks["SAA"].mastered[of("Storage")] == ContentSet.of([4, 5, 6])
    platform.learner = found.learner
    platform.put("Object Storage", "s1", "s2", "s3")
    assert platform.study("s1", "s2", "s3") == []


names = st.sampled_from(["A", "B", "b", "C & D", "E"])
contents = st.sets(st.sampled_from([f"c{n}" for n in range(8)]), min_size=1)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), names, contents),
        st.tuples(st.just("study"), st.just(""), contents),
        st.tuples(st.just("retire"), st.just(""), contents),
    ),
    max_size=25,
)


@given(steps)
def test_every_mastery_covers_at_least_half_new_contents_however_categories_change(
    drawn: list[tuple[str, str, set[str]]],
) -> None:
    platform = Platform()
    platform.put("A", *(f"c{n}" for n in range(8)))
    covered = ContentSet()
    for step, name, chosen in drawn:
        before = platform.learner.tracks.get("SAA", Track()).mastered
        match step:
            case "put":
                platform.put(name, *sorted(chosen))
            case "retire":
                platform.retire(*sorted(chosen))
            case _:
                for content in sorted(chosen):
                    platform.study(content)
        after = platform.learner.tracks.get("SAA", Track()).mastered
        for achievement_id, held in after.items():
            if achievement_id not in before:
                assert 2 * len(held & covered) <= len(held)
                covered |= held
    assert len(platform.awards) == len(set(platform.awards)), "no mastery is awarded twice"
    assert set(platform.awards) <= platform.learner.earned
    assert not platform.open_masteries() & platform.learner.earned


@given(st.integers(1, 60), st.data())
def test_renaming_every_category_of_a_mastered_certification_opens_no_mastery(
    size: int, data: st.DataObject
) -> None:
    groups = data.draw(st.lists(st.integers(0, 4), min_size=size, max_size=size))
    rows = [ContentMetadata(f"c{n}", f"Old {group}") for n, group in enumerate(groups)]
    certification = assign(Certification("SAA"), rows, 1)
    mastered = {of(name): held for name, held in certification.categories.items()}
    renamed = [row._replace(category=row.category.replace("Old", "New")) for row in rows]
    certification = assign(certification, renamed, 2)
    for name in certification.categories:
        [rule] = category_rules("SAA", name)
        assert open_mastery(rule, name, certification, mastered, frozenset(mastered)) is None
