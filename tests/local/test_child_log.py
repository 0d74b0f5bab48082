import json
from pathlib import Path

import pytest

from local import child_log
from local.child_log import ChildLog


def entry(level: str, message: str, **more: object) -> str:
    return json.dumps({"level": level, "message": message, **more}) + "\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "api.log"


def test_warnings_and_errors_are_shown_with_their_reason_and_the_rest_is_not(path: Path) -> None:
    log = ChildLog("api", path)
    with path.open("a") as child:
        child.write(entry("info", "started"))
        child.write(entry("warning", "broker gone", reason="connection refused"))
        child.write("not JSON at all\n")
        child.write(entry("error", "failed", traceback="Traceback\n  line\nValueError: no"))

    assert log.news() == [
        "api warning: broker gone connection refused",
        "api error: failed ValueError: no",
    ]
    assert log.news() == []


def test_what_earlier_runs_wrote_is_not_shown_again(path: Path) -> None:
    ChildLog("api", path)
    path.write_text(entry("error", "yesterday"))

    assert ChildLog("api", path).news() == []


def test_a_line_is_shown_once_it_is_complete(path: Path) -> None:
    log = ChildLog("api", path)
    line = entry("error", "in two pieces")
    with path.open("a") as child:
        child.write(line[:20])
        child.flush()
        first = log.news()
        child.write(line[20:])

    assert first == []
    assert log.news() == ["api error: in two pieces"]


def test_a_storm_is_for_the_file(path: Path) -> None:
    log = ChildLog("api", path)
    path.write_text(entry("error", "again") * 1000)

    assert log.news() == ["api error: again"] * child_log.LINES_AT_ONCE
    assert log.news() == []


def test_words_of_clients_are_shown_escaped(path: Path) -> None:
    log = ChildLog("api", path)
    path.write_text(entry("warning", "refused", reason="\x1b[2J\nfake line"))

    assert log.news() == ["api warning: refused \\x1b[2J\\nfake line"]


def test_a_file_that_grew_too_large_is_turned_over_while_the_child_writes_on(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_log, "LIMIT_BYTES", 100)
    log = ChildLog("api", path)
    with path.open("a") as child:
        child.write(entry("warning", "x" * 100))
        child.flush()
        log.news()
        child.write(entry("warning", "after"))

    assert path.read_text() == entry("warning", "after")
    assert "x" * 100 in path.with_name("api.log.1").read_text()
    assert log.news() == ["api warning: after"]


def test_more_than_can_be_looked_at_is_passed_over(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_log, "LOOK_BYTES", 200)
    log = ChildLog("api", path)
    path.write_text(entry("warning", "early") * 100 + entry("warning", "late"))

    assert log.news()[-1] == "api warning: late"
    assert len(log.news()) == 0
