from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streaming_runtime.core import audit
from streaming_runtime.core.audit import (
    CLAIMED_KEY,
    DENIALS,
    LOGGER,
    MOST_IN_ALL_PER_SECOND,
    MOST_KINDS,
    MOST_PER_SECOND,
    BoundedDenials,
    Denial,
    configure_audit,
    deny,
    key_changed,
)
from streaming_runtime.core.errors import ConfigurationInvalid, every_error
from streaming_runtime.core.logs import configure_logs
from streaming_runtime.core.principals import CALLER, Principal

KEY = "a-configured-key-0123456789"
Read = Callable[[], list[dict[str, object]]]


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger(LOGGER)
    handlers, level = root.handlers[:], root.level
    caller = CALLER.set(None)
    yield
    CALLER.reset(caller)
    for handler in ours.handlers:
        handler.close()
    root.handlers[:], ours.handlers[:], ours.filters[:] = handlers, [], []
    root.setLevel(level)
    ours.propagate = True


@pytest.fixture
def entries(tmp_path: Path) -> Read:
    path = tmp_path / "audit.log"
    configure_audit(str(path), "api", [KEY])

    def read() -> list[dict[str, object]]:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    return read


def test_an_entry_says_who_was_denied_what_and_why(entries: Read) -> None:
    CALLER.set(Principal("acme", key_id="k17"))

    deny(Denial("forbidden", "0123", "/stream/{stream_id}/send", "192.0.2.7", "s1"))

    (entry,) = entries()
    assert entry.pop("time")
    assert entry == {
        "level": "info",
        "process": "api",
        "logger": "streaming_runtime.audit",
        "message": "denied",
        "log": "audit",
        "reason": "forbidden",
        "route": "/stream/{stream_id}/send",
        "tenant": "acme",
        "key_id": "k17",
        "request_id": "0123",
        "client": "192.0.2.7",
        "stream_id": "s1",
    }


def test_of_nobody_nothing_is_claimed(entries: Read) -> None:
    deny(Denial("unauthorized", "0123", "/streams", "192.0.2.7"))

    (entry,) = entries()
    assert entry.keys().isdisjoint({"tenant", "key_id", "stream_id"})


def test_a_refused_key_is_named_by_its_id_alone(entries: Read) -> None:
    claimed = CLAIMED_KEY.set("k17")
    try:
        deny(Denial("unauthorized", "0123", "/streams"))
    finally:
        CLAIMED_KEY.reset(claimed)

    (entry,) = entries()
    assert (entry["key_id"], entry.get("tenant")) == ("k17", None)


def test_a_change_of_a_key_names_it_and_does_not_show_it(entries: Read) -> None:
    key_changed("added", "acme", "k17", scopes=["read"], note=f"made from {KEY}")
    key_changed("revoked", "acme", "k17")

    added, revoked = entries()
    assert (added["message"], added["key_id"], added["scopes"]) == ("key added", "k17", ["read"])
    assert revoked["message"] == "key revoked"
    assert KEY not in json.dumps(added)


def test_without_a_file_entries_stand_among_the_log_whatever_its_level(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs("ERROR", "api")
    configure_audit("", "api")

    deny(Denial("origin", "0123", "/stream/{stream_id}/results"))

    (line,) = capsys.readouterr().out.splitlines()
    assert (json.loads(line)["log"], json.loads(line)["reason"]) == ("audit", "origin")


def test_with_a_file_they_stand_nowhere_else(
    entries: Read, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs("DEBUG", "api")

    deny(Denial("origin", "0123", "/stream/{stream_id}/results"))

    assert len(entries()) == 1
    assert capsys.readouterr().out == ""


def test_a_file_that_was_moved_away_is_made_anew(entries: Read, tmp_path: Path) -> None:
    key_changed("added", "acme", "k1")
    (tmp_path / "audit.log").rename(tmp_path / "audit.log.1")

    key_changed("revoked", "acme", "k1")

    assert [entry["message"] for entry in entries()] == ["key revoked"]


def test_a_file_that_cannot_be_written_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match=r"AUDIT_LOG \(.*\) cannot be written to"):
        configure_audit(str(tmp_path / "missing" / "audit.log"), "api")


def test_what_a_path_holds_cannot_end_a_line_or_fill_the_disk(entries: Read) -> None:
    deny(Denial("unknown-stream", "0123", "/stream/{stream_id}", stream_id="a\n\x1b[31m" * 4_000))

    (entry,) = entries()
    assert str(entry["stream_id"]).startswith("a\n\x1b[31m")
    assert len(str(entry["stream_id"])) == audit.MOST_ID_CHARACTERS


def test_every_reason_but_the_origin_is_the_code_of_a_problem() -> None:
    assert set(DENIALS) - {"origin"} <= {error.code for error in every_error()}


def record(
    at: float, reason: str | None = "unauthorized", tenant: str | None = None
) -> logging.LogRecord:
    made = logging.LogRecord(LOGGER, logging.INFO, "", 0, "denied", None, None)
    made.created = 1_700_000_000.0 + at
    vars(made).update(
        {"tenant": tenant} if reason is None else {"reason": reason, "tenant": tenant}
    )
    return made


def test_a_flood_is_a_few_lines_a_second_with_the_count_of_the_others() -> None:
    bound = BoundedDenials()
    flood = [record(at=second + n / 1_000) for second in range(3) for n in range(900)]

    passed = [one for one in flood if bound.filter(one)]

    told = [getattr(one, "left_out", 0) for one in passed]
    assert len(passed) == 3 * MOST_PER_SECOND
    assert told == [0] * 5 + [895] + [0] * 4 + [895] + [0] * 4


def test_a_tenants_flood_hides_nobody_elses_denial() -> None:
    bound = BoundedDenials()
    for n in range(1_000):
        bound.filter(record(n / 1_000, "rate-limited", "noisy"))

    assert bound.filter(record(0.9, "rate-limited", "quiet"))
    assert bound.filter(record(0.9, "forbidden", "noisy"))
    assert not bound.filter(record(0.9, "rate-limited", "noisy"))


def test_many_tenants_together_are_bounded_too() -> None:
    bound = BoundedDenials()

    passed = [bound.filter(record(0.5, "rate-limited", f"t{n}")) for n in range(5_000)]

    assert sum(passed) == MOST_IN_ALL_PER_SECOND
    assert len(bound._left_out) <= MOST_KINDS + 1
    assert sum(bound._left_out.values()) == 5_000 - MOST_IN_ALL_PER_SECOND


def test_changes_of_keys_always_pass() -> None:
    bound = BoundedDenials()

    assert all(bound.filter(record(0.5, None, "acme")) for _ in range(500))
