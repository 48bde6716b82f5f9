"""`streakline show`: what it prints agrees with what was earned."""

from datetime import date
from io import StringIO

import pytest
from rich.console import Console

from cli.show import render
from domain.catalog import ContentMetadata
from functions.catalog import CatalogWriter
from tests.integration.conftest import CATALOG_TIME, World, interaction
from tests.integration.test_redrive import make_stack


@pytest.fixture
def shown(world: World) -> str:
    """What is printed about a learner whose last missing content was retired, with almost ten hours."""
    completed = {"interaction_type": "completed", "score": None, "time_spent": 0}
    world.project(
        interaction("a", content_id="saa-1", interaction_type="completed", score=84.2, time_spent=35_999),
        interaction("b", content_id="saa-2", **completed),
    )
    CatalogWriter(world.store).update({"SAA": [ContentMetadata("saa-3", active=False)]}, CATALOG_TIME)
    printed = StringIO()
    render(Console(file=printed, width=200), make_stack(world), "ann", date(2026, 3, 1))
    return printed.getvalue()


def test_a_certification_without_content_is_not_said_to_lack_answers(world: World) -> None:
    world.project(interaction("a", content_id="dva-1", score=80))
    CatalogWriter(world.store).update({"DVA": [ContentMetadata("dva-1", active=False)]}, CATALOG_TIME)
    printed = StringIO()
    render(Console(file=printed, width=200), make_stack(world), "ann", date(2026, 3, 1))
    assert "DVA  It has no content any more, so nothing says how ready you are." in printed.getvalue()


@pytest.mark.parametrize(("rate", "is_said"), [(0.9, True), (0.1, False)])
def test_memory_is_a_reason_only_if_more_is_expected_of_practised_questions(
    world: World, rate: float, is_said: bool
) -> None:
    """Questions that are harder than the others are not known better after one wrong answer."""
    practised = ContentMetadata("saa-1", "Compute", "beginner", correct_rate=rate, answered_by=500)
    others = [ContentMetadata(f"saa-{n}", "Compute", "beginner", correct_rate=0.9) for n in range(2, 9)]
    CatalogWriter(world.store).update({"SAA": [practised, *others]}, CATALOG_TIME)
    world.project(interaction("a", content_id="saa-1", score=0))
    printed = StringIO()
    render(Console(file=printed, width=400), make_stack(world), "ann", date(2026, 3, 1))
    assert "of the questions right that you have practised" in printed.getvalue()
    assert ("partly because you know them" in printed.getvalue()) is is_said


@pytest.mark.parametrize(
    ("answered", "said"),
    [
        (1, "For a chance of passing, answer more different questions."),
        (3, "There are too few questions for a chance of passing."),
    ],
)
def test_without_a_chance_it_says_what_it_takes(world: World, answered: int, said: str) -> None:
    world.project(*[interaction(f"e{n}", content_id=f"saa-{n + 1}", score=80) for n in range(answered)])
    printed = StringIO()
    render(Console(file=printed, width=400), make_stack(world), "ann", date(2026, 3, 1))
    assert said in printed.getvalue()


def test_nothing_is_wider_than_80_columns(world: World) -> None:
    world.project(
        *[
            interaction(f"e{n}", content_id=f"saa-{1 + n % 3}", interaction_type="completed", score=100)
            for n in range(30)
        ]
    )
    printed = StringIO()
    render(Console(file=printed, width=80), make_stack(world), "ann", date(2026, 3, 1))
    lines = printed.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert any("Average" in line and "Points" in line for line in lines)
    assert any("Feb" in line for line in lines)
    assert any(line.rstrip().endswith("%)") or "On new questions we expect" in line for line in lines)
    for title in ("Compute Mastered", "Storage Mastered", "SAA: Five Times Perfect"):
        assert any(title in line for line in lines), "no achievement is split"


def test_hours_are_rounded_down(shown: str) -> None:
    assert "9.9 h" in shown
    assert "10.0 h" not in shown


def test_the_nearest_achievements_say_what_they_lack_or_what_brings_them(shown: str) -> None:
    assert "100/100  reached: your next interaction in SAA brings it" in shown
    assert "99/100  average 84.20 of 85 %" in shown
