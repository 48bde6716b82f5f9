"""Whether a category can still be mastered, although categories are renamed, merged and split.

A mastery covers the contents that the category had when it was awarded. Contents keep their ordinals, so what
was mastered is recognised under any name.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import reduce
from operator import or_

from domain.achievements import Achievement, category_rules
from domain.catalog import Certification
from domain.content_set import ContentSet
from domain.standing import CategoryStanding

type Mastered = Mapping[str, ContentSet]
"""The contents that each mastery covers, by the id of its achievement."""
_NO_CONTENT = ContentSet()


def open_mastery(
    rule: Achievement[CategoryStanding],
    category: str,
    certification: Certification,
    mastered: Mastered,
    earned: frozenset[str],
) -> Achievement[CategoryStanding] | None:
    """Return the achievement that mastering this category brings; None if it is mastered already.

    A category is mastered already if masteries cover more than half of its contents, whatever it is called.
    It is also mastered if its own achievement is earned, even if it has grown since, unless it is a new
    category that has taken over the name: then the achievement gets an id of its own.
    """
    contents = certification.categories.get(category, _NO_CONTENT)
    held = mastered.get(rule.id)
    # The most frequent case comes first, and makes no new set.
    if held is not None and contents.bits & held.bits:
        return None
    covered = reduce(or_, mastered.values(), _NO_CONTENT)
    if 2 * len(contents & covered) > len(contents):
        return None
    if rule.id not in earned:
        return rule
    same_name = [held for name, held in mastered.items() if name == rule.id or name.startswith(f"{rule.id}:")]
    if not same_name or any(_is_there(held, rule, certification) for held in same_name):
        return None
    return replace(rule, id=f"{rule.id}:{next(iter(contents))}")


def _is_there(held: ContentSet, rule: Achievement[CategoryStanding], certification: Certification) -> bool:
    """Return whether a mastered category still has the rule's id, or is retired as a whole."""
    if not held & certification.active:
        return True
    return any(
        held & contents
        for name, contents in certification.categories.items()
        if any(named.id == rule.id for named in category_rules(certification.code, name))
    )
