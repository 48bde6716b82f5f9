"""Test the code under test with 20,000 simulated histories, and the simulator's own promises."""

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from domain.interaction import Kind
from tests.simulation.__main__ import FULL_RUN, simulate, simulate_all
from tests.simulation.history import KINDS, history
from tests.simulation.reading import read
from tests.simulation.simulation import replay_command, run

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
"""The calls of services by the consumer, the catalog writer and the readers."""


def test_20000_histories_equal_their_recomputation_and_lose_no_record(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with capsys.disabled():  # so that the progress is visible
        report = simulate_all(0, FULL_RUN)
    assert report.failures == {}, replay_command(min(report.failures))
    assert report.histories == FULL_RUN
    assert report.sites == SITES
    assert report.missed_faults() == []
    seen = report.seen
    # Producers' retries alone are a fifth of the valid records.
    assert seen["duplicates"] >= 0.2 * (seen["distinct"] + seen["duplicates"])
    for what in (
        "Contended",
        "OutOfTime",
        "TimeoutError",
        "awards",
        "batches delivered to two consumers",
        "crashes",
        "failed batches",
        "Contended while updating the catalog",
        "TimeoutError while updating the catalog",
        "invalid records",
        "expired records",
        "redelivered records",
        "redriven records",
        "refused as state_full",
        "replays",
    ):
        assert seen[what] > 0, what


def test_a_seed_replays_its_history() -> None:
    for seed in range(20):
        assert run(history(seed), tracing=True) == run(history(seed), tracing=True), f"seed {seed}"


def test_replaying_the_log_onto_the_live_views_changes_only_versions() -> None:
    # The simulation replays the log at the end of every eighth history, and checks the result.
    report = simulate(range(0, 800, 8))
    assert report.failures == {}, replay_command(min(report.failures))
    assert report.seen["replays"] > 70


def test_the_recomputation_shares_no_code_with_the_code_under_test() -> None:
    script = "import sys, tests.simulation.recompute; print({'domain', 'functions'} & sys.modules.keys())"
    root = Path(__file__).parents[2]
    ran = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


def test_histories_contain_every_kind_of_interaction() -> None:
    interactions = [read(record) for seed in range(20) for record in history(seed).records]
    assert {interaction.kind for interaction in interactions if interaction} == set(get_args(Kind))
    assert set(KINDS) == set(get_args(Kind))


def test_histories_vary_all_circumstances() -> None:
    circumstances = [history(seed).circumstances for seed in range(400)]
    for name in (
        "bisects",
        "reshards",
        "content_moves",
        "catalog_first",
        "partitioned_by_learner",
        "idempotent_transactions",
        "may_refuse",
    ):
        assert {getattr(c, name) for c in circumstances} == {True, False}, name
    for name in (
        "fault_rate",
        "redelivery_rate",
        "concurrent_delivery_rate",
        "expiry_rate",
        "out_of_time_rate",
        "oversize_rate",
        "freezes",
        "readers",
    ):
        assert min(getattr(c, name) for c in circumstances) == 0
        assert max(getattr(c, name) for c in circumstances) > 0, name
    assert min(c.transaction_items for c in circumstances) == 10, "some batches exceed a transaction"
    deleted = [
        row for seed in range(50) for batch in history(seed).rows for row in batch if row.image is None
    ]
    assert deleted, "some content is deleted"
