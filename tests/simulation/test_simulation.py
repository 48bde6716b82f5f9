"""Nothing lost, nothing twice: over twenty thousand histories with faults."""

from tests.simulation.__main__ import Report, simulate, simulate_all
from tests.simulation.history import history
from tests.simulation.world import run

HISTORIES = 20_000
SITES = [
    "catalog: get_item",
    "catalog: query",
    "commit: get_item",
    "commit: put_item",
    "commit: transact_write_items",
    "commit_catalog: transact_write_items",
    "head: get_item",
    "load: batch_get_item",
    "load_days: batch_get_item",
    "quarantine: put_object",
    "quarantine: send_message_batch",
    "read: batch_get_item",
    "read: query",
    "read_state: get_item",
]
"""Where the consumer, the catalog's keeper and the readers call a service."""


def test_the_views_of_20000_histories_equal_their_recomputation_and_every_record_is_accounted_for() -> None:
    report = Report()
    for part in simulate_all(0, HISTORIES):
        report.add(part)
    assert report.failures == {}, f"replay it: make simulate SEED={min(report.failures)}"
    assert report.histories == HISTORIES
    assert report.sites == SITES
    assert report.unhit() == [], "every call-site is hit by a crash before, one after, an unanswered success"
    seen = report.seen
    # Producers' retries alone are a fifth of what is valid.
    assert seen["duplicates"] >= 0.2 * (seen["distinct"] + seen["duplicates"])
    for what in (
        "Contended",
        "OutOfTime",
        "TimeoutError",
        "awards",
        "batches with a rival",
        "crashes",
        "failed batches",
        "keeper's Contended",
        "keeper's TimeoutError",
        "poison",
        "records that aged out",
        "redelivered records",
        "redriven records",
        "refused as state_full",
        "replays",
    ):
        assert seen[what] > 0, what


def test_a_seed_replays_its_history() -> None:
    for seed in range(20):
        assert run(history(seed), tracing=True) == run(history(seed), tracing=True), f"seed {seed}"


def test_replaying_the_whole_log_onto_the_live_views_changes_no_byte_but_versions() -> None:
    # The world does so after each eighth history, and would tell.
    report = simulate(range(0, 800, 8))
    assert report.failures == {}
    assert report.seen["replays"] > 70


def test_histories_mix_all_that_they_are_to_mix() -> None:
    circumstances = [history(seed).circumstances for seed in range(400)]
    for name in ("bisects", "splits", "moves", "catalog_first", "by_key", "knows_tokens", "may_refuse"):
        assert {getattr(c, name) for c in circumstances} == {True, False}, name
    for name in (
        "fault_rate",
        "redelivery_rate",
        "rival_rate",
        "expiry_rate",
        "hurry_rate",
        "misjudged_rate",
        "freezes",
        "readers",
    ):
        assert min(getattr(c, name) for c in circumstances) == 0
        assert max(getattr(c, name) for c in circumstances) > 0, name
    assert min(c.transaction_items for c in circumstances) == 10, "days of a batch exceed a transaction"
    retired = [
        row for seed in range(50) for batch in history(seed).rows for row in batch if row.image is None
    ]
    assert retired, "content goes"
