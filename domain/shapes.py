"""The shapes of the API's answers: names, types, units and meanings. The OpenAPI document is made from them.

null means that a value is not known. It never stands for 0.
"""

from typing import Annotated, Literal, TypedDict

from pydantic import Field

from domain.standing import ConditionKind

Percent = Annotated[float, Field(ge=0, le=100, examples=[87.5])]
Share = Annotated[float, Field(ge=0, le=1, examples=[0.12])]
Count = Annotated[int, Field(ge=0, examples=[42])]
Seconds = Annotated[int, Field(ge=0, examples=[5400])]
AverageScore = Annotated[
    Percent | None, Field(description="Over scored interactions; null if there are none")
]
Day = Annotated[str, Field(json_schema_extra={"format": "date"}, examples=["2026-03-01"])]
"""A local date of the learner."""
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-03-01T19:30:00Z"])]
Code = Annotated[str, Field(examples=["SAA"])]
"""The code of a certification."""


class Sums(TypedDict):
    """Sums over the interactions of a category or difficulty."""

    count: Count
    avg_score: Annotated[
        Percent | None, Field(description="Over scored interactions; null if there are none")
    ]
    time_spent: Annotated[Seconds, Field(description="Seconds")]


class CategorySums(Sums):
    """Sums over the interactions of a category, and how much of it is completed."""

    completion_rate: Annotated[
        Percent | None, Field(description="Percentage of its active content; null if none")
    ]


class Analytics(TypedDict):
    """Totals over all interactions."""

    user_id: str
    certification_type: Annotated[Code | None, Field(description="null: all certifications started")]
    total_interactions: Count
    total_content_viewed: Annotated[Count, Field(description="Different contents")]
    total_content_answered: Annotated[Count, Field(description="Different contents")]
    total_content_completed: Annotated[Count, Field(description="Different contents")]
    total_questions_answered: Annotated[Count, Field(description="All answers, including repeated ones")]
    average_score: Annotated[
        Percent | None, Field(description="Over scored interactions; null if there are none")
    ]
    time_spent_total_seconds: Seconds
    time_spent_total_hours: Annotated[float, Field(ge=0, examples=[1.5])]
    completion_rate: Annotated[Percent | None, Field(description="Percentage of the active content")]
    categories: Annotated[dict[str, CategorySums], Field(description="Sums by category")]
    difficulties: Annotated[dict[str, Sums], Field(description="Sums by difficulty")]


class Metrics(TypedDict):
    """Sums over the interactions of one day."""

    avg_score: Annotated[
        Percent | None, Field(description="Over scored interactions; null if there are none")
    ]
    total_time: Annotated[Seconds, Field(description="Seconds")]
    completed_count: Annotated[Count, Field(description="Interactions of kind `completed`")]
    total_interactions: Count


class Trend(TypedDict):
    """One local day on which the learner studied."""

    date: Day
    metrics: Metrics
    category_breakdown: dict[str, Sums]
    difficulty_breakdown: dict[str, Sums]


class Trends(TypedDict):
    """The days of the period on which the learner studied, oldest first."""

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
    """How much was studied in the period, on which days, and in which areas."""

    user_id: str
    certification_type: Code | None
    period_days: int
    total_interactions: Count
    daily_activity: list[ActiveDay]
    certification_breakdown: Annotated[dict[str, Count], Field(description="Interactions by certification")]
    category_breakdown: Annotated[dict[str, Count], Field(description="Interactions by category")]
    study_streak_days: Annotated[Count, Field(description="The current streak, in days")]
    weekly_avg_time_minutes: Annotated[float, Field(ge=0)]
    weekly_avg_interactions: Annotated[float, Field(ge=0)]
    most_active_certification: Code | None
    most_active_category: str | None


class WeeklyStreak(TypedDict):
    """Runs of weeks, Monday to Sunday, with enough study days."""

    goal: Annotated[int, Field(ge=1, le=7, description="Study days that a week needs to count")]
    current: Annotated[Count, Field(description="Ends this week or last week, because this week is not over")]
    longest: Count


class Freezes(TypedDict):
    """Missed days that do not end the streak."""

    allowed: Annotated[Count, Field(description="Maximum that can be banked at once")]
    banked: Annotated[Count, Field(description="Available now")]
    spent: Count
    days: Annotated[list[Day], Field(description="Missed days for which one was spent")]


class Streak(TypedDict):
    """Streaks in days, and the study days of the last 53 weeks."""

    user_id: str
    today: Annotated[Day, Field(description="Last day that counts here")]
    timezone: Annotated[str | None, Field(description="The learner's latest zone: an IANA name or an offset")]
    current_streak: Annotated[Count, Field(description="Ends today or yesterday, because today is not over")]
    longest_streak: Count
    total_study_days: Count
    studied_today: bool
    weeks: Annotated[WeeklyStreak, Field(description="Weeks with at least one study day")]
    weeks_with_goal: Annotated[WeeklyStreak, Field(description="Weeks that reached the learner's goal")]
    calendar: Annotated[list[Day], Field(description="Study days of the last 53 weeks, oldest first")]
    freezes: Freezes


class AreaEstimate(TypedDict):
    """A category, and the percentage of new questions in it that the learner is expected to get right."""

    category: str
    estimate: Percent | None
    interval_80: Annotated[list[Percent], Field(min_length=2, max_length=2)]
    answers: Count
    coverage: Annotated[Share, Field(description="Share of its content that was practised")]


class RecommendedAction(TypedDict):
    """A recommendation for the next step, and the reason for it."""

    kind: Literal["diagnostic_quiz", "practise", "start", "refresh", "mock_exam"]
    reason: str
    category: str | None
    content_id: str | None
    title: Annotated[str | None, Field(description="The content's name, if the catalog has it")]


class StudyHours(TypedDict):
    """A range of hours."""

    low: Annotated[float, Field(ge=0)]
    high: Annotated[float, Field(ge=0)]


class Evidence(TypedDict):
    """The evidence behind an estimate."""

    answers: Count
    contents: Annotated[Count, Field(description="Different contents with a scored answer")]
    effective_answers: Annotated[
        float,
        Field(
            ge=0, description="First answers that say as much; repeated ones say little about new questions"
        ),
    ]
    days: Annotated[Count, Field(description="Study days within the last 31")]
    coverage: Annotated[Share | None, Field(description="Share of the content that was practised")]


class ExamOutcome(TypedDict):
    """The result of a real exam."""

    occurred_at: Time
    passed: bool
    score: Percent | None


class ExamOutcomes(TypedDict):
    """The results of one certification's exams."""

    last_exam: Annotated[ExamOutcome | None, Field(description="The latest exam that was taken")]
    exams: Annotated[list[ExamOutcome], Field(description="All exams that were taken, oldest first")]


class CertificationReadiness(ExamOutcomes):
    """What to expect of an exam, which asks new questions, and of the questions that were practised."""

    certification_type: Code
    readiness_score: Annotated[
        Percent | None,
        Field(
            description="Share of new questions of the certification's categories that the learner is "
            "expected to get right, without credit for having seen a question; null without a scored answer, "
            "or if no content is active"
        ),
    ]
    interval_80: Annotated[
        list[Percent],
        Field(
            min_length=2,
            max_length=2,
            description="Holds the result of an exam of 65 new questions with a probability of 80 %",
        ),
    ]
    predicted_pass_probability: Annotated[
        float | None,
        Field(
            gt=0,
            lt=1,
            description="Estimated chance that an exam of 65 new questions reaches the pass mark, 0.05 to "
            "0.95; null if too few different contents were answered, or categories with too few of the "
            "questions. It promises nothing",
        ),
    ]
    practice_score: Annotated[
        Percent | None,
        Field(
            description="Share of the practised questions that the learner is expected to get right now, "
            "partly because they know them; null without a scored answer to active content. It says "
            "nothing about an exam"
        ),
    ]
    pass_mark: Percent
    confidence_level: Literal["low", "medium", "high"]
    weak_areas: Annotated[list[AreaEstimate], Field(description="Interval below the pass mark")]
    strong_areas: Annotated[list[AreaEstimate], Field(description="Interval above the pass mark")]
    recommended_actions: list[RecommendedAction]
    estimated_study_time_hours: Annotated[
        StudyHours | None,
        Field(
            description="Study time left; null if no content is active, or if neither typical hours nor the "
            "learner's pace are known"
        ),
    ]
    evidence: Evidence
    assessment_date: Day


class Readiness(CertificationReadiness):
    """The estimate for one certification."""

    user_id: str


class ReadinessOfAll(TypedDict):
    """The estimate for each certification that the learner has started."""

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
    certification_type: Annotated[Code | None, Field(description="Certification that it is about, if any")]
    rarity: Annotated[Share | None, Field(description="Share of learners who have it")]


class OfferedAchievements(TypedDict):
    """The achievements that can be earned."""

    achievements: list[Achievement]


class EarnedAchievement(Achievement):
    """An achievement that the learner has earned and keeps."""

    earned_at: Annotated[Time, Field(description="occurred_at of the interaction that reached it")]


class MissingCondition(TypedDict):
    """A condition of an achievement that is not met yet: `value` of `target`."""

    kind: Annotated[ConditionKind, Field(description="What is measured")]
    value: Annotated[float | None, Field(ge=0, description="null if there is nothing to measure yet")]
    target: Count


class Progress(TypedDict):
    """The learner's progress: `value` of `target`."""

    value: Count
    target: Count
    missing: Annotated[list[MissingCondition], Field(description="What is lacking; empty if `reached`")]
    reached: Annotated[
        bool,
        Field(
            description="Whether nothing is lacking any more, because the catalog or the rules have changed. "
            "The learner's next interaction brings the award: for an achievement of a certification or "
            "category, the next one in it."
        ),
    ]


class NextAchievement(Achievement):
    """An achievement that is not earned yet."""

    progress: Progress


class Achievements(TypedDict):
    """The earned achievements, oldest first, and the nearest ones that are not earned."""

    user_id: str
    achievements: list[EarnedAchievement]
    total_points: Count
    total_achievements: Count
    next: list[NextAchievement]


class EventOutcome(TypedDict):
    """What became of an event."""

    event_id: str
    status: Annotated[
        Literal["applied", "quarantined", "not_seen"],
        Field(description="`not_seen`: it has not arrived yet, or was never sent"),
    ]
    code: Annotated[str | None, Field(description="Why it is in quarantine, for programs")]
    reason: Annotated[str | None, Field(description="Why it is in quarantine, for people")]
    achievements: Annotated[list[EarnedAchievement], Field(description="What it has brought")]


class TouchedContent(TypedDict):
    """The learner's progress with one content."""

    certification_type: Code
    content_id: str
    title: Annotated[str | None, Field(description="Its name, if the catalog has it")]
    category: str
    difficulty_level: str
    active: Annotated[bool, Field(description="Whether the catalog still has it")]
    viewed: bool
    answered: bool
    completed: bool
    best_score: Percent | None


class ContentPage(TypedDict):
    """Contents that the learner has interacted with, by certification and then in the catalog's order."""

    user_id: str
    certification_type: Code | None
    content: list[TouchedContent]
    next_cursor: Annotated[str | None, Field(description="`cursor` of the next page; null on the last page")]


class CertificationProgress(TypedDict):
    """The learner's totals and estimate for one certification."""

    analytics: Analytics
    readiness: CertificationReadiness


class Recommendation(RecommendedAction):
    """A recommendation for one certification, and the reason for it."""

    certification_type: Code


class Dashboard(TypedDict):
    """Everything that a dashboard shows."""

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
    total_content: Annotated[Count, Field(description="Active contents")]
    categories: Annotated[dict[str, Count], Field(description="Active contents by category")]


class Certifications(TypedDict):
    """The certifications that the catalog offers."""

    certifications: list[OfferedCertification]
