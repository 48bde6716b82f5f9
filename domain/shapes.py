"""The shapes of what each endpoint answers: names, types and meanings, from which its document is made.

None (null) is what is not known; it is never 0.
"""

from typing import Annotated, Literal, TypedDict

from pydantic import Field

Percent = Annotated[float, Field(ge=0, le=100, examples=[87.5])]
Share = Annotated[float, Field(ge=0, le=1, examples=[0.12])]
Count = Annotated[int, Field(ge=0, examples=[42])]
Seconds = Annotated[int, Field(ge=0, examples=[5400])]
Day = Annotated[str, Field(json_schema_extra={"format": "date"}, examples=["2026-03-01"])]
"""A local date of the learner's."""
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-03-01T19:30:00Z"])]
Code = Annotated[str, Field(examples=["SAA"])]
"""A certification's."""


class Sums(TypedDict):
    """The interactions of a category or difficulty, summed up."""

    count: Count
    avg_score: Annotated[Percent | None, Field(description="Over scored interactions; null without any")]
    time_spent: Annotated[Seconds, Field(description="Seconds")]


class CategorySums(Sums):
    """The interactions of a category, and how much of it is completed."""

    completion_rate: Annotated[Percent | None, Field(description="Of its active content; null without any")]


class Analytics(TypedDict):
    """Totals of everything applied."""

    user_id: str
    certification_type: Annotated[Code | None, Field(description="null: of all certifications started")]
    total_interactions: Count
    total_content_viewed: Annotated[Count, Field(description="Distinct contents")]
    total_content_answered: Annotated[Count, Field(description="Distinct contents")]
    total_content_completed: Annotated[Count, Field(description="Distinct contents")]
    total_questions_answered: Annotated[Count, Field(description="Answers, repetitions included")]
    average_score: Annotated[Percent | None, Field(description="Over scored interactions; null without any")]
    time_spent_total_seconds: Seconds
    time_spent_total_hours: Annotated[float, Field(ge=0, examples=[1.5])]
    completion_rate: Annotated[Percent | None, Field(description="Of the active content")]
    categories: Annotated[dict[str, CategorySums], Field(description="By category")]
    difficulties: Annotated[dict[str, Sums], Field(description="By difficulty")]


class Metrics(TypedDict):
    """The interactions of one day, summed up."""

    avg_score: Annotated[Percent | None, Field(description="Over scored interactions; null without any")]
    total_time: Annotated[Seconds, Field(description="Seconds")]
    completed_count: Annotated[Count, Field(description="Interactions that completed a content")]
    total_interactions: Count


class Trend(TypedDict):
    """One local day with study."""

    date: Day
    metrics: Metrics
    category_breakdown: dict[str, Sums]
    difficulty_breakdown: dict[str, Sums]


class Trends(TypedDict):
    """The days with study in the period, oldest first."""

    user_id: str
    certification_type: Code | None
    period_days: int
    trends: list[Trend]


class ActiveDay(TypedDict):
    """How much was studied on one local day."""

    date: Day
    interactions: Count
    time_spent: Annotated[Seconds, Field(description="Seconds")]


class Activity(TypedDict):
    """How much was studied in the period, when, and what."""

    user_id: str
    certification_type: Code | None
    period_days: int
    total_interactions: Count
    daily_activity: list[ActiveDay]
    certification_breakdown: Annotated[dict[str, Count], Field(description="Interactions by certification")]
    category_breakdown: Annotated[dict[str, Count], Field(description="Interactions by category")]
    study_streak_days: Annotated[Count, Field(description="The current streak")]
    weekly_avg_time_minutes: Annotated[float, Field(ge=0)]
    weekly_avg_interactions: Annotated[float, Field(ge=0)]
    most_active_certification: Code | None
    most_active_category: str | None


class WeeklyStreak(TypedDict):
    """A run of weeks, Monday to Sunday, with enough study days."""

    goal: Annotated[int, Field(ge=1, le=7, description="Study days that a week needs")]
    current: Annotated[Count, Field(description="Ends this week or the week before: this one is not over")]
    longest: Count


class Freezes(TypedDict):
    """Missed days that did not break the streak."""

    allowed: Annotated[Count, Field(description="How many can be banked at once")]
    banked: Annotated[Count, Field(description="At hand")]
    spent: Count
    days: Annotated[list[Day], Field(description="The days that they were spent on")]


class Streak(TypedDict):
    """Streaks, in study days, and the study days of the last 53 weeks."""

    user_id: str
    today: Annotated[Day, Field(description="What everything here is counted to")]
    timezone: Annotated[str | None, Field(description="The learner's latest: an IANA name or an offset")]
    current_streak: Annotated[Count, Field(description="Ends today or yesterday: today is not over")]
    longest_streak: Count
    total_study_days: Count
    studied_today: bool
    weeks: Annotated[WeeklyStreak, Field(description="Weeks with a study day")]
    weeks_with_goal: Annotated[WeeklyStreak, Field(description="Weeks that reached the learner's goal")]
    calendar: Annotated[list[Day], Field(description="Study days of the last 53 weeks, oldest first")]
    freezes: Freezes


class AreaEstimate(TypedDict):
    """A category, and the share that the learner would get right in it."""

    category: str
    estimate: Percent | None
    interval_80: Annotated[list[Percent], Field(min_length=2, max_length=2)]
    answers: Count
    coverage: Annotated[Share, Field(description="Of its content, what was practised")]


class RecommendedAction(TypedDict):
    """What to do next, and why."""

    kind: Literal["diagnostic_quiz", "practise", "start", "refresh", "mock_exam"]
    reason: str
    category: str | None
    content_id: str | None


class StudyHours(TypedDict):
    """A range of hours."""

    low: Annotated[float, Field(ge=0)]
    high: Annotated[float, Field(ge=0)]


class Evidence(TypedDict):
    """What an estimate rests on."""

    answers: Count
    effective_answers: Annotated[float, Field(ge=0, description="Answers, older ones counted for less")]
    days: Annotated[Count, Field(description="Study days")]
    coverage: Annotated[Share | None, Field(description="Of the content, what was practised")]


class CertificationReadiness(TypedDict):
    """The expected result of an exam taken today, with its uncertainty."""

    certification_type: Code
    readiness_score: Annotated[Percent | None, Field(description="Expected result; null with no evidence")]
    interval_80: Annotated[list[Percent], Field(min_length=2, max_length=2)]
    predicted_pass_probability: Annotated[float, Field(gt=0, lt=1)] | None
    pass_mark: Percent
    confidence_level: Literal["low", "medium", "high"]
    weak_areas: Annotated[list[AreaEstimate], Field(description="Whose interval lies under the pass mark")]
    strong_areas: Annotated[list[AreaEstimate], Field(description="Whose interval lies over the pass mark")]
    recommended_actions: list[RecommendedAction]
    estimated_study_time_hours: Annotated[StudyHours | None, Field(description="Still to go")]
    evidence: Evidence
    assessment_date: Day


class Readiness(CertificationReadiness):
    """The estimate for one certification."""

    user_id: str


class ReadinessOfAll(TypedDict):
    """The estimates for each certification that the learner has started."""

    user_id: str
    certifications: dict[str, CertificationReadiness]


class Achievement(TypedDict):
    """An achievement, earned or not."""

    achievement_id: Annotated[str, Field(examples=["streak-7"])]
    achievement_type: Annotated[str, Field(examples=["streak"])]
    title: str
    description: str
    badge_icon: Annotated[str, Field(examples=["🔥"])]
    points: Count
    certification_type: Annotated[Code | None, Field(description="The one that it is about, if any")]
    rarity: Annotated[Share | None, Field(description="The share of learners who have it")]


class EarnedAchievement(Achievement):
    """An achievement of the learner's, for good."""

    earned_at: Annotated[Time, Field(description="When the interaction occurred that reached it")]


class Progress(TypedDict):
    """How far along: `value` of `target`."""

    value: Count
    target: Count


class NextAchievement(Achievement):
    """An achievement that is not earned yet."""

    progress: Progress


class Achievements(TypedDict):
    """What was earned, oldest first, and the nearest that were not."""

    user_id: str
    achievements: list[EarnedAchievement]
    total_points: Count
    total_achievements: Count
    next: list[NextAchievement]


class TouchedContent(TypedDict):
    """What the learner did with one content."""

    certification_type: Code
    content_id: str
    category: str
    difficulty_level: str
    active: Annotated[bool, Field(description="Whether the catalog still offers it")]
    viewed: bool
    answered: bool
    completed: bool
    best_score: Percent | None


class ContentPage(TypedDict):
    """What was touched, content by content: by certification, then in the catalog's order."""

    user_id: str
    certification_type: Code | None
    content: list[TouchedContent]
    next_cursor: Annotated[str | None, Field(description="Asks for the next page; null on the last one")]


class CertificationProgress(TypedDict):
    """Where the learner stands in one certification."""

    analytics: Analytics
    readiness: CertificationReadiness


class Recommendation(RecommendedAction):
    """What to do next for one certification, and why."""

    certification_type: Code


class Dashboard(TypedDict):
    """All of it at a glance."""

    user_id: str
    generated_at: Time
    overall_analytics: Analytics
    activity_summary: Activity
    certification_progress: dict[str, CertificationProgress]
    performance_trends: list[Trend]
    achievements: list[EarnedAchievement]
    next_achievements: list[NextAchievement]
    study_streak: Streak
    total_points: Count
    recommendations: list[Recommendation]


class OfferedCertification(TypedDict):
    """A certification of the catalog."""

    certification_type: Code
    total_content: Annotated[Count, Field(description="Active content")]
    categories: Annotated[dict[str, Count], Field(description="Active content by category")]


class Certifications(TypedDict):
    """What there is to learn."""

    certifications: list[OfferedCertification]
