"""Test the code under test with 20,000 simulated histories, and the simulator's own promises."""

import os
import subprocess
import sys
from math import prod
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner

from domain.interaction import Kind
from tests.simulation import __main__ as command
from tests.simulation.__main__ import FULL_RUN, simulate, simulate_all
from tests.simulation.framing import FRAMES, MARK
from tests.simulation.history import history
from tests.simulation.interactions import KINDS
from tests.simulation.reading import Event, Identity, Interaction, read
from tests.simulation.simulation import replay_command, run

SITES = [
    "catalog: batch_get_item",
    "catalog: get_item",
    "certification: batch_get_item",
    "commit: get_item",
    "commit: put_item",
    "commit: transact_write_items",
    "commit_catalog: transact_write_items",
    "count: transact_write_items",
    "erase: get_item",
    "erase: put_item",
    "erase: query",
    "erase: transact_write_items",
    "erased: batch_get_item",
    "full_catalog: batch_get_item",
    "full_catalog: get_item",
    "head: get_item",
    "load: batch_get_item",
    "load_buckets: batch_get_item",
    "quarantine: put_object",
    "quarantine: send_message_batch",
    "read: batch_get_item",
    "read: query",
    "read_applied: batch_get_item",
    "read_applied: get_item",
    "read_state: get_item",
    "refold: transact_write_items",
    "uncount_erased: batch_get_item",
    "uncount_erased: transact_write_items",
]
"""The calls by the consumer, the catalog writer, the readers, and those who erase, count and refold."""

AT_LEAST = {
    "respelled retries": 40_000,
    "histories of two releases": 2_500,
    "deliveries to the next release": 15_000,
    "interactions that the next release applied": 15_000,
    "contents with unknown fields that were kept": 2_500,
    "results of exams": 12_000,
    "framed records": 12_000,
    "records in frames": 35_000,
    **{f"framed records: {frame}": 1_500 for frame in FRAMES},
    **{f"framed records: broken {frame}": 100 for frame in FRAMES if frame != MARK},
    "bad records in frames": 4_000,
    "unreadable items": 12_000,
    **{
        f"unreadable items: {kind}": 200
        for kind in ("missing attribute", "wrong type", "truncated", "gone", "later format")
    },
    "records refused as unreadable": 6_000,
    "batches that failed for many learners in trouble": 1_500,
    "reads of unreadable learners": 50,
    "erased learners": 4_000,
    "records dropped because their learner is erased": 20_000,
    "refolds": 300,
    "refolds of erased learners": 150,
}
"""How often the histories of a full run must contain each of these. Most are twice as frequent."""


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
    for what, least in AT_LEAST.items():
        assert seen[what] >= least, f"{seen[what]} {what}"
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
        "ambiguous identities",
        "identities on several local days",
        "event_ids on several UTC days",
        "duplicates of unknown content",
    ):
        assert seen[what] > 0, what


@pytest.mark.parametrize(("full_run", "exit_code"), [(21, 0), (20, 1)])
def test_only_a_full_run_fails_for_a_call_site_without_a_kind_of_fault(
    full_run: int, exit_code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "FULL_RUN", full_run)
    ran = CliRunner().invoke(command.main, ["--seeds", "20"])
    assert ran.exit_code == exit_code, ran.output
    assert "did not meet: crash after" in ran.output
    assert ("only in a run of 21 histories" in ran.output) is (exit_code == 0)


def test_a_seed_replays_its_history() -> None:
    for seed in range(20):
        assert run(history(seed), tracing=True) == run(history(seed), tracing=True), f"seed {seed}"


def test_a_seed_replays_its_history_in_another_process() -> None:
    """Sets of texts have another order in each process, which must not decide what is called."""
    script = (
        "from tests.simulation.history import history; from tests.simulation.simulation import run\n"
        "for seed in range(60): print(run(history(seed), tracing=True))"
    )
    ran = [
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert ran[0] == ran[1]


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
    events = [read(record) for seed in range(20) for record in history(seed).sent]
    assert {event.kind for event in events if isinstance(event, Interaction)} == set(get_args(Kind))
    assert set(KINDS) == set(get_args(Kind))


def test_histories_contain_local_days_before_and_after_the_utc_day_and_leap_seconds() -> None:
    records = [record for seed in range(100) for record in history(seed).sent]
    interactions = [event for event in map(read, records) if isinstance(event, Interaction)]
    assert {(each.day - each.utc_day).days for each in interactions} == {-1, 0, 1}
    assert any(b":60" in record.payload for record in records if read(record))


def test_ambiguous_identities_have_few_combinations_of_variants() -> None:
    for seed in range(300):
        variants: dict[str, dict[Identity, list[Event]]] = {}
        for event in map(read, history(seed).sent):
            if event is None:
                continue
            sent = variants.setdefault(event.user, {}).setdefault(event.identity, [])
            if event not in sent:
                sent.append(event)
        for identities in variants.values():
            assert prod(map(len, identities.values())) <= 16, f"seed {seed}"


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
        "counts_rarity",
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
        "next_release_rate",
        "damaged_learners",
        "erased_learners",
        "refolds",
        "framed_rate",
        "exam_rate",
    ):
        assert min(getattr(c, name) for c in circumstances) == 0
        assert max(getattr(c, name) for c in circumstances) > 0, name
    assert min(c.transaction_items for c in circumstances) == 11, "some batches exceed a transaction"
    deleted = [
        row for seed in range(50) for batch in history(seed).rows for row in batch if row.image is None
    ]
    assert deleted, "some content is deleted"
