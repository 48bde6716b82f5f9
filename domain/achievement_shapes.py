"""What the views show of achievements, and the list of all that can be earned."""

from domain import shapes
from domain.achievements import Award, Rarity, award, category_rules, certification_rules, learner_rules
from domain.catalog import Catalog
from domain.days import instant
from domain.learner import Goal


def iso_time(at: int) -> str:
    """Return a time as the views show it. `at` is in microseconds since 1970."""
    return instant(at).isoformat().replace("+00:00", "Z")


def achievement_shape(award: Award, rarity: Rarity) -> shapes.Achievement:
    """Return what is shown of an achievement, earned or not."""
    return {
        "achievement_id": award.achievement_id,
        "achievement_type": award.achievement_type,
        "title": award.title,
        "description": award.description,
        "badge_icon": award.badge_icon,
        "points": award.points,
        "certification_type": award.certification_type,
        "rarity": rarity.share(award.achievement_id),
    }


def earned_shape(award: Award, rarity: Rarity) -> shapes.EarnedAchievement:
    """Return what is shown of an award."""
    return {**achievement_shape(award, rarity), "earned_at": iso_time(award.earned_at)}


def next_shape(goal: Goal, rarity: Rarity) -> shapes.NextAchievement:
    """Return what is shown of an achievement that is not earned yet."""
    progress: shapes.Progress = {
        "value": goal.value,
        "target": goal.target,
        "missing": [{"kind": c.kind, "value": c.value, "target": c.target} for c in goal.missing],
        "reached": goal.is_reached,
    }
    return {**achievement_shape(goal.achievement, rarity), "progress": progress}


def offered(catalog: Catalog, rarity: Rarity) -> shapes.OfferedAchievements:
    """Return every achievement that can be earned: about learners, certifications, and their categories."""
    awards = [award(rule, 0) for rule in learner_rules()]
    for code, certification in sorted(catalog.certifications.items()):
        awards += [award(rule, 0) for rule in certification_rules(code)]
        for category in certification.categories:
            awards += [award(rule, 0) for rule in category_rules(code, category)]
    # Categories whose names differ in case alone share an achievement.
    once = {found.achievement_id: found for found in awards}
    return {"achievements": [achievement_shape(found, rarity) for found in once.values()]}
