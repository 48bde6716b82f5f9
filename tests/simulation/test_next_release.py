"""Test the generated next release: it has what it should, and a change that no longer fits is an error."""

import ast
import sys

import pytest

from domain.achievements import ACHIEVEMENTS, Award
from domain.catalog import Content
from domain.tally import COUNTERS
from tests.simulation.next_release import CHANGES, COUNTER, ROOT, NoLongerFits, next_release


def test_the_next_release_has_one_more_counter_field_and_rule() -> None:
    modules = next_release()
    assert (*COUNTERS, COUNTER) == modules["domain.tally"].COUNTERS
    catalog, achievements = sys.modules["next_domain.catalog"], sys.modules["next_domain.achievements"]
    *known, unknown = Content._fields
    assert catalog.Content._fields == (*known, "stars", unknown)
    assert achievements.Award._fields == (*Award._fields, "level")
    assert [rule.id for rule in achievements.ACHIEVEMENTS] == [
        *(rule.id for rule in ACHIEVEMENTS),
        "minutes-60",
    ]


def test_the_next_release_shares_no_module_with_this_one() -> None:
    next_release()
    for name, module in list(sys.modules.items()):
        if name.startswith(("next_domain.", "next_functions.")):
            shared = {
                value.__module__
                for value in vars(module).values()
                if str(getattr(value, "__module__", "")).startswith(("domain", "functions"))
            }
            assert not shared, name


@pytest.mark.parametrize("module", CHANGES)
def test_a_change_that_no_longer_fits_the_source_is_an_error(module: str) -> None:
    CHANGES[module](ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text("utf-8")))
    with pytest.raises(NoLongerFits, match="the source has 0 of"):
        CHANGES[module](ast.parse("class Other:\n    pass\n"))
