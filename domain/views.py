"""The views: one function for each endpoint, from a learner, some of their days, the catalog and a date.

An unknown number is None and never 0. Totals cover everything applied. Streaks and periods end at `today`,
and ignore later days.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from domain import shapes
from domain.achievement_shapes import earned_shape, iso_time, next_shape
from domain.achievements import Award, Rarity
from domain.advice import Action
from domain.catalog import Catalog, Certification
from domain.days import day_text
from domain.learner import Day, Learner, Track, goals
from domain.readiness import RECENT_DAYS, Area, assess
from domain.rounding import round_percent, round_within
from domain.streaks import Streaks, streaks, weekly_streak
from domain.tally import Breakdown, Tally, total

HEAT_MAP_WEEKS = 53
WEEKLY_GOAL = 3
READINESS_DAYS = RECENT_DAYS
NEXT_ACHIEVEMENTS = 3
RECOMMENDATIONS = 2
"""The number of recommendations for each certification on the dashboard."""
_NO_CATALOG = Certification("")


@dataclass(frozen=True, slots=True)
class ViewContext:
    """The input of every view."""

    learner: Learner
    days: Mapping[int, Day]
    """The days by number, at least those of the period that the view shows."""
    awards: Sequence[Award]
    catalog: Catalog
    today: int
    freezes: int = 0
    rarity: Rarity = Rarity()
    goal: int = WEEKLY_GOAL
    """The study days that the learner wants in each week, 1 to 7."""

    def certification(self, code: str) -> Certification:
        """Return the catalog of a certification; an empty one if it has none."""
        return self.catalog.certifications.get(code, _NO_CATALOG)

    def period(self, length: int) -> list[Day]:
        """Return the days with study among the `length` days up to today, in order."""
        first = self.today - length + 1
        return [day for number, day in sorted(self.days.items()) if first <= number <= self.today]

    def streaks(self) -> Streaks:
        """Return the streaks as of today."""
        return streaks(self.learner.calendar, self.today, self.freezes)


def _hours(seconds: int) -> float:
    """Return hours rounded down to two decimals, so that a shown 10 has earned the achievement for 10."""
    return seconds * 100 // 3600 / 100


def _tracks(learner: Learner, certification: str | None) -> dict[str, Track]:
    """Return the track of one certification, or all tracks that the learner has started."""
    if certification is None:
        return dict(learner.tracks)
    return {certification: learner.tracks.get(certification, Track())}


def analytics(context: ViewContext, certification: str | None = None) -> shapes.Analytics:
    """Return the totals of one certification, or of all that the learner has started."""
    tracks = _tracks(context.learner, certification)
    sums = total(track.tallies.total for track in tracks.values())
    done = sum(len(track.completed & context.certification(code).active) for code, track in tracks.items())
    offered = sum(len(context.certification(code).active) for code in tracks)
    return {
        "user_id": context.learner.user_id,
        "certification_type": certification,
        "total_interactions": sums.interactions,
        "total_content_viewed": sum(len(track.viewed) for track in tracks.values()),
        "total_content_answered": sum(len(track.answered) for track in tracks.values()),
        "total_content_completed": sum(len(track.completed) for track in tracks.values()),
        "total_questions_answered": sums.answers,
        "average_score": sums.average_score,
        "time_spent_total_seconds": sums.seconds,
        "time_spent_total_hours": _hours(sums.seconds),
        "completion_rate": round_percent(done, offered),
        "categories": _categories(context, tracks),
        "difficulties": _breakdown(_merged(track.tallies.difficulties for track in tracks.values())),
    }


def _categories(context: ViewContext, tracks: Mapping[str, Track]) -> dict[str, shapes.CategorySums]:
    """Return the sums of each category, and the share of its active content that is completed."""
    sums = _merged(track.tallies.categories for track in tracks.values())
    done: dict[str, int] = {}
    offered: dict[str, int] = {}
    for code, track in tracks.items():
        for name, contents in context.certification(code).categories.items():
            done[name] = done.get(name, 0) + len(track.completed & contents)
            offered[name] = offered.get(name, 0) + len(contents)
    return {
        name: {
            **_sums(sums.get(name, Tally())),
            "completion_rate": round_percent(done.get(name, 0), offered.get(name, 0)),
        }
        for name in sorted(sums.keys() | offered.keys())
    }


def _merged(groups: Iterable[Mapping[str, Tally]]) -> dict[str, Tally]:
    found: dict[str, list[Tally]] = {}
    for group in groups:
        for name, tally in group.items():
            found.setdefault(name, []).append(tally)
    return {name: total(tallies) for name, tallies in sorted(found.items())}


def _sums(tally: Tally) -> shapes.Sums:
    return {"count": tally.interactions, "avg_score": tally.average_score, "time_spent": tally.seconds}


def _breakdown(tallies: Mapping[str, Tally]) -> dict[str, shapes.Sums]:
    return {name: _sums(tally) for name, tally in tallies.items()}


def _day_breakdowns(day: Day, certification: str | None) -> list[Breakdown]:
    if certification is None:
        return list(day.tallies.values())
    return [day.tallies[certification]] if certification in day.tallies else []


def trends(context: ViewContext, period_days: int, certification: str | None = None) -> shapes.Trends:
    """Return the days with study in the period, oldest first."""
    return {
        "user_id": context.learner.user_id,
        "certification_type": certification,
        "period_days": period_days,
        "trends": [
            _trend(day, found)
            for day in context.period(period_days)
            if (found := _day_breakdowns(day, certification))
        ],
    }


def _trend(day: Day, breakdowns: list[Breakdown]) -> shapes.Trend:
    sums = total(breakdown.total for breakdown in breakdowns)
    return {
        "date": day_text(day.number),
        "metrics": {
            "avg_score": sums.average_score,
            "total_time": sums.seconds,
            "completed_count": sums.completions,
            "total_interactions": sums.interactions,
        },
        "category_breakdown": _breakdown(_merged(b.categories for b in breakdowns)),
        "difficulty_breakdown": _breakdown(_merged(b.difficulties for b in breakdowns)),
    }


def activity(context: ViewContext, period_days: int, certification: str | None = None) -> shapes.Activity:
    """Return how much the learner studied in the period, on which days, and which categories."""
    period = [
        (day, found) for day in context.period(period_days) if (found := _day_breakdowns(day, certification))
    ]
    by_day = {day.number: total(breakdown.total for breakdown in found) for day, found in period}
    sums = total(by_day.values())
    by_certification = _merged(
        {code: breakdown.total for code, breakdown in day.tallies.items() if certification in (None, code)}
        for day, _ in period
    )
    by_category = _merged(breakdown.categories for _, found in period for breakdown in found)
    weeks = period_days / 7
    return {
        "user_id": context.learner.user_id,
        "certification_type": certification,
        "period_days": period_days,
        "total_interactions": sums.interactions,
        "daily_activity": [
            {"date": day_text(number), "interactions": of_day.interactions, "time_spent": of_day.seconds}
            for number, of_day in by_day.items()
        ],
        "certification_breakdown": {code: tally.interactions for code, tally in by_certification.items()},
        "category_breakdown": {name: tally.interactions for name, tally in by_category.items()},
        "study_streak_days": context.streaks().current,
        "weekly_avg_time_minutes": round(sums.seconds / 60 / weeks, 1),
        "weekly_avg_interactions": round(sums.interactions / weeks, 1),
        "most_active_certification": _most_active(by_certification),
        "most_active_category": _most_active(by_category),
    }


def _most_active(tallies: Mapping[str, Tally]) -> str | None:
    """Return the name with the most interactions; among equals, the first in the alphabet."""
    return min(tallies, key=lambda name: (-tallies[name].interactions, name), default=None)


def streak(context: ViewContext) -> shapes.Streak:
    """Return the streaks, in study days, and the study days of the last 53 weeks."""
    found = context.streaks()
    calendar = context.learner.calendar
    first_shown = context.today - 7 * HEAT_MAP_WEEKS + 1
    zone = context.learner.zone
    return {
        "user_id": context.learner.user_id,
        "today": day_text(context.today),
        "timezone": zone,
        "current_streak": found.current,
        "longest_streak": found.longest,
        "total_study_days": found.total,
        "studied_today": context.today in calendar,
        "weeks": _weeks(context, 1),
        "weeks_with_goal": _weeks(context, context.goal),
        "calendar": [day_text(day) for day in calendar.between(first_shown, context.today)],
        "freezes": {
            "allowed": context.freezes,
            "banked": found.banked,
            "spent": len(found.frozen),
            "days": [day_text(day) for day in found.frozen],
        },
    }


def _weeks(context: ViewContext, goal: int) -> shapes.WeeklyStreak:
    found = weekly_streak(context.learner.calendar, context.today, goal)
    return {"goal": goal, "current": found.current, "longest": found.longest}


def readiness(context: ViewContext, certification: str) -> shapes.Readiness:
    """Return the estimate for one certification."""
    return {"user_id": context.learner.user_id, **_readiness(context, certification)}


def readiness_of_all(context: ViewContext) -> shapes.ReadinessOfAll:
    """Return the estimate for each certification that the learner has started."""
    return {
        "user_id": context.learner.user_id,
        "certifications": {code: _readiness(context, code) for code in _started(context.learner)},
    }


def _readiness(context: ViewContext, code: str) -> shapes.CertificationReadiness:
    track = context.learner.tracks.get(code, Track())
    found = assess(track, context.days, context.certification(code), context.today)
    hours = found.study_time
    evidence = found.evidence
    return {
        "certification_type": code,
        "readiness_score": _known(_percentage, found.estimate),
        "interval_80": [_percentage(share) for share in found.interval],
        "predicted_pass_probability": _known(_share, found.pass_probability),
        "practice_score": _known(_percentage, found.practice),
        "pass_mark": found.pass_mark,
        "confidence_level": found.confidence,
        "weak_areas": [_area(area) for area in found.weak],
        "strong_areas": [_area(area) for area in found.strong],
        "recommended_actions": [_action(action, context.certification(code)) for action in found.actions],
        "estimated_study_time_hours": None
        if hours is None
        else {"low": round(hours.low, 1), "high": round(hours.high, 1)},
        "evidence": {
            "answers": evidence.answers,
            "contents": evidence.contents,
            "effective_answers": round(evidence.effective_answers, 1),
            "days": evidence.days,
            "coverage": _known(_share, evidence.coverage),
        },
        **exam_outcomes(context.learner, code),
        "assessment_date": day_text(context.today),
    }


def _action(action: Action, certification: Certification) -> shapes.RecommendedAction:
    content = certification.by_id.get(action.content_id or "")
    return {
        "kind": action.kind,
        "reason": action.reason,
        "category": action.category,
        "content_id": action.content_id,
        "title": content.title if content else None,
    }


def exam_outcomes(learner: Learner, certification: str) -> shapes.ExamOutcomes:
    """Return the results of a certification's exams."""
    exams: list[shapes.ExamOutcome] = [
        {
            "occurred_at": iso_time(exam.at),
            "passed": exam.passed,
            "score": None if exam.score < 0 else exam.score / 100,
        }
        for exam in learner.exams.get(certification, ())
    ]
    return {"last_exam": exams[-1] if exams else None, "exams": exams}


def _started(learner: Learner) -> list[str]:
    """Return the certifications that the learner has studied for, or taken an exam of."""
    return sorted(learner.tracks.keys() | learner.exams.keys())


def _known[T](convert: Callable[[T], T], value: T | None) -> T | None:
    return None if value is None else convert(value)


def _percentage(value: float) -> float:
    return round_within(value, 0, 100, 1)


def _share(value: float) -> float:
    return round_within(value, 0, 1, 3)


def _area(area: Area) -> shapes.AreaEstimate:
    return {
        "category": area.category,
        "estimate": _known(_percentage, area.estimate),
        "interval_80": [_percentage(share) for share in area.interval],
        "answers": area.answers,
        "coverage": _share(area.coverage),
    }


def achievements(
    context: ViewContext, certification: str | None = None, *, every: bool = False
) -> shapes.Achievements:
    """Return what the learner has earned, oldest first, and the nearest other achievements with progress.

    `every`: return all other achievements, and not only the nearest.
    """
    earned = [a for a in context.awards if certification in (None, a.certification_type)]
    wanted = [
        goal
        for goal in goals(context.learner, context.catalog, context.freezes)
        if certification in (None, goal.achievement.certification_type)
    ]
    nearest = sorted(wanted, key=lambda goal: -goal.value / goal.target)
    return {
        "user_id": context.learner.user_id,
        "achievements": [earned_shape(award, context.rarity) for award in earned],
        "total_points": sum(award.points for award in earned),
        "total_achievements": len(earned),
        "next": [
            next_shape(goal, context.rarity) for goal in (nearest if every else nearest[:NEXT_ACHIEVEMENTS])
        ],
    }


def content(
    context: ViewContext,
    certification: str | None = None,
    after: tuple[str, int] | None = None,
    limit: int = 100,
) -> tuple[list[shapes.TouchedContent], tuple[str, int] | None]:
    """Return one page of the contents that the learner touched, by certification and then by ordinal.

    `after` is the (certification, ordinal) of the last content of the page before. The second result is that
    of the last content of this page, or None if there is no further page.
    """
    touched = [
        (code, ordinal, track)
        for code, track in sorted(_tracks(context.learner, certification).items())
        for ordinal in track.viewed | track.answered | track.completed
        if after is None or (code, ordinal) > after
    ]
    page = touched[:limit]
    shown = [_touched(context.certification(code), code, ordinal, track) for code, ordinal, track in page]
    return shown, page[-1][:2] if len(touched) > limit else None


def _touched(certification: Certification, code: str, ordinal: int, track: Track) -> shapes.TouchedContent:
    known = certification.contents[ordinal]
    best = track.best_score(ordinal)
    return {
        "certification_type": code,
        "content_id": known.content_id,
        "title": known.title,
        "category": known.category,
        "difficulty_level": known.difficulty,
        "active": known.active,
        "viewed": ordinal in track.viewed,
        "answered": ordinal in track.answered,
        "completed": ordinal in track.completed,
        "best_score": None if best is None else best / 100,
    }


def dashboard(context: ViewContext, period_days: int, now: datetime) -> shapes.Dashboard:
    """Return all views at a glance: one answer for a learner's home page."""
    earned = achievements(context)
    progress: dict[str, shapes.CertificationProgress] = {
        code: {"analytics": analytics(context, code), "readiness": _readiness(context, code)}
        for code in _started(context.learner)
    }
    return {
        "user_id": context.learner.user_id,
        "generated_at": now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "overall_analytics": analytics(context),
        "activity_summary": activity(context, period_days),
        "certification_progress": progress,
        "performance_trends": trends(context, period_days)["trends"],
        "achievements": earned["achievements"],
        "next_achievements": earned["next"],
        "study_streak": streak(context),
        "total_points": earned["total_points"],
        "recommendations": [
            {"certification_type": code, **action}
            for code, found in progress.items()
            for action in found["readiness"]["recommended_actions"][:RECOMMENDATIONS]
        ],
    }


def certifications(catalog: Catalog) -> shapes.Certifications:
    """Return the catalog: each certification with the number of its active contents."""
    return {
        "certifications": [
            {
                "certification_type": code,
                "total_content": len(certification.active),
                "categories": {name: len(found) for name, found in certification.categories.items()},
            }
            for code, certification in sorted(catalog.certifications.items())
        ]
    }
