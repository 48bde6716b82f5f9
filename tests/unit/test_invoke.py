"""scripts/invoke.py: how it reads the end of `sam local invoke`, and what it says without Docker."""

from typing import Any

import pytest

from scripts import invoke


@pytest.mark.parametrize(
    ("printed", "code", "ended"),
    [
        ("null\n", 0, "done"),
        ('{"began_at": 1, "erasures": 0}\n', 0, "done"),
        ('{"errorMessage": "no", "errorType": "Contended", "stackTrace": []}\n', 0, "fails"),
        ('{"errorMessage": "no", "errorType": "Contended", "stackTrace": []}\n', 1, "fails"),
        ('{"statusCode": 503, "body": "", "headers": {}}\n', 0, 503),
        ('{"records": [{"recordId": "1", "result": "Ok", "data": ""}]}\n', 0, ["Ok"]),
        ('{"records": []}\n', 0, []),
        ('a line of the log\n{"level": "INFO"}\nnull\n', 0, "done"),
    ],
)
def test_an_end_is_told_in_the_words_of_the_table(printed: str, code: int, ended: Any) -> None:
    assert invoke.ending(printed, code) == ended


@pytest.mark.parametrize(("printed", "code"), [("", 0), ("", 1), ("null\n", 1), ("[half an answer", 0)])
def test_an_end_that_is_none_of_these_never_passes(printed: str, code: int) -> None:
    known = {one["outcome"] for one in invoke.invocations() if not isinstance(one["outcome"], list)}
    assert invoke.ending(printed, code) not in known


def test_without_docker_it_says_so_and_ends_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert invoke.main([]) == 0
    assert "SKIPPED: Docker is not installed. No function was invoked." in capsys.readouterr().out
