"""Load everything that the views of one learner are made from."""

from datetime import date, datetime

from domain.achievements import Rarity
from domain.catalog import Catalog
from domain.days import day_number, today_in
from domain.learner import Learner
from domain.views import ViewContext
from functions.store import Store, Stored


def load_view_context(
    store: Store,
    user_id: str,
    catalog: Catalog,
    rarity: Rarity,
    *,
    freezes: int,
    period_days: int,
    today: date | None,
    now: datetime,
) -> ViewContext:
    """Return the context of a learner's views, in one Query.

    The period covers `period_days` days up to `today`, which defaults to the date of `now` in the learner's
    latest zone. A learner who is not stored gets an empty context: the version of its `learner` is 0.
    """
    # The zone is known only after the read, so read one more day: a zone can be behind UTC.
    first_day = max(0, day_number(today or now.date()) - period_days - 1)
    stored = store.read(user_id, first_day) or Stored(Learner(user_id), {}, ())
    return ViewContext(
        learner=stored.learner,
        days=stored.days,
        awards=stored.awards,
        catalog=catalog,
        today=day_number(today or today_in(stored.learner.zone, now)),
        freezes=freezes,
        rarity=rarity,
    )
