"""Test how `streakline up` shares a checkout. tests/e2e tests the rest of it."""

from pathlib import Path
from threading import Event, Thread

import pytest

from cli import local


def test_a_second_up_in_a_checkout_says_that_it_waits_until_the_first_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(local, "_UP_LOCK", tmp_path / "cache" / "up.lock")
    runs = Event()

    def second() -> None:
        with local._only_up():
            runs.set()

    thread = Thread(target=second)
    with local._only_up():
        thread.start()
        said = ""
        while "waiting for another" not in said:
            assert thread.is_alive()
            said += capsys.readouterr().err
        assert not runs.is_set()
    thread.join()
    assert runs.is_set()
