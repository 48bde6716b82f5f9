"""The smoke deployment's promises: the stack is removed whatever happens, and checks are described."""

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from cli.stack import Stack
from smoke.__main__ import deploy_check_remove
from smoke.checks import CHECKS, Failed, Smoke, run_all, too_many_requests_are_refused

README = Path(__file__).parents[2] / "smoke" / "README.md"
STACK = Stack({}, "http://127.0.0.1:1", None, None)


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def removed() -> list[str]:
    return []


def smoke(**more: Any) -> Smoke:
    return Smoke(STACK, "streakline-smoke", lambda *_: [], pause=0, **more)


@pytest.mark.parametrize(("failures", "code"), [(0, 0), (1, 1), (15, 1)])
def test_the_stack_is_removed_after_the_checks_and_the_code_says_how_they_went(
    removed: list[str], failures: int, code: int
) -> None:
    assert deploy_check_remove(lambda: STACK, lambda _: failures, lambda: removed.append("stack")) == code
    assert removed == ["stack"]


def test_the_stack_is_removed_if_its_deployment_fails(
    removed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def deploy() -> Stack:
        raise subprocess.CalledProcessError(1, ["sam", "deploy"])

    assert deploy_check_remove(deploy, lambda _: 0, lambda: removed.append("stack")) == 2
    assert removed == ["stack"]
    assert "could not be deployed" in capsys.readouterr().err


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
def test_the_stack_is_removed_after_a_bug_of_the_checks_and_after_an_interruption(
    removed: list[str], error: type[BaseException]
) -> None:
    def check(_: Stack) -> int:
        raise error

    with pytest.raises(error):
        deploy_check_remove(lambda: STACK, check, lambda: removed.append("stack"))
    assert removed == ["stack"]


def test_the_stack_is_removed_if_the_process_is_told_to_end(removed: list[str]) -> None:
    def check(_: Stack) -> int:
        signal.raise_signal(signal.SIGTERM)
        return 0

    with pytest.raises(KeyboardInterrupt):
        deploy_check_remove(lambda: STACK, check, lambda: removed.append("stack"))
    assert removed == ["stack"]


def test_an_impatient_interruption_does_not_end_the_removal(removed: list[str]) -> None:
    def remove() -> None:
        signal.raise_signal(signal.SIGINT)
        removed.append("stack")

    assert deploy_check_remove(lambda: STACK, lambda _: 0, remove) == 0
    assert removed == ["stack"]


def test_a_failed_check_does_not_stop_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    def goes_wrong(_: Smoke) -> str:
        raise Failed("the moon is not there")

    def goes_well(_: Smoke) -> str:
        return "the sun is there"

    assert run_all(smoke(), (goes_wrong, goes_well)) == 1
    assert capsys.readouterr().out.splitlines() == [
        "FAIL  goes wrong: Failed: the moon is not there (0 s)",
        "ok    goes well: the sun is there (0 s)",
    ]


def test_an_api_that_does_not_answer_fails_a_check_and_ends_nothing() -> None:
    def asks(one: Smoke) -> str:
        return str(one.call("GET", "/"))

    assert run_all(smoke(), (asks,)) == 1


def test_waiting_ends_with_what_is_found_or_says_what_was_not(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([None, None, "here"])
    assert smoke().until("it", 60, lambda: next(looks)) == "here"
    now = iter(range(0, 1000, 10))
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    with pytest.raises(Failed, match="it: not within 60 seconds"):
        smoke().until("it", 60, lambda: None)


def test_every_check_is_described() -> None:
    rows = re.findall(r"^\| ([a-z' ]+?) \|", README.read_text(), re.MULTILINE)
    assert rows[1:] == [check.__name__.replace("_", " ") for check in CHECKS]
    assert all(check.__doc__ for check in CHECKS)


def test_the_check_of_the_limit_needs_no_more_executions_than_a_new_account_has() -> None:
    lock, together, most = Lock(), 0, 0
    statuses = iter([200] * 20 + [429] * 80)

    class Answering(Smoke):
        def call(self, *_: Any, **__: Any) -> tuple[int, Any, dict[str, str]]:
            nonlocal together, most
            with lock:
                together += 1
                most = max(most, together)
                status = next(statuses)
            time.sleep(0.001)
            with lock:
                together -= 1
            return status, None, {}

    answering = Answering(STACK, "streakline-smoke", lambda *_: [], pause=0)
    assert too_many_requests_are_refused(answering).startswith("80 of 100")
    assert 1 < most < 10
