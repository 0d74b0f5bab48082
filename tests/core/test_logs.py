import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from timeit import timeit
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming_runtime.core.logs import REDACTED, JsonLines, configure_logs
from tests.core.issued import issued

KEY = "k-7f3a9c51e0"
FORMAT = JsonLines("api", [KEY, "short"])


def _record(message: str = "sent", **extra: Any) -> logging.LogRecord:
    record = logging.makeLogRecord({"name": "millrace.x", "levelname": "INFO", "msg": message})
    record.created = 1_700_000_000.5
    vars(record).update(extra)
    return record


def _line(message: str = "sent", **extra: Any) -> dict[str, Any]:
    line = json.loads(FORMAT.format(_record(message, **extra)))
    assert isinstance(line, dict)
    return line


def test_a_line_says_when_how_grave_who_and_what() -> None:
    assert _line("sent") == {
        "time": "2023-11-14T22:13:20.500Z",
        "level": "info",
        "process": "api",
        "logger": "millrace.x",
        "message": "sent",
    }


def test_what_the_call_site_adds_stands_beside_it() -> None:
    line = _line(stream_id="abc", status=409, seconds=0.25, is_last=True, nothing=None)

    assert line["stream_id"] == "abc"
    assert (line["status"], line["seconds"], line["is_last"]) == (409, 0.25, True)
    assert "nothing" not in line


def test_an_extra_cannot_pose_as_a_field_of_ours() -> None:
    line = _line(level="debug", time="yesterday")

    assert (line["level"], line["time"]) == ("info", "2023-11-14T22:13:20.500Z")


def test_arguments_are_put_into_the_message() -> None:
    record = _record("%s of %d")
    record.args = ("two", 3)

    assert json.loads(FORMAT.format(record))["message"] == "two of 3"


@given(st.text())
def test_whatever_a_client_sends_stays_on_one_line_of_ascii(text: str) -> None:
    line = FORMAT.format(_record("refused", reason=text, found={text: [text]}))

    assert line.isascii()
    assert line.isprintable()
    assert isinstance(json.loads(line), dict)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (b"\xff", "b'\\xff'"),
        (ValueError("no"), "no"),
        ((1, "a"), [1, "a"]),
        ({"n": {1: None}}, {"n": {"1": None}}),
        (frozenset({7}), [7]),
    ],
)
def test_any_value_is_shown_as_json_can_hold_it(value: object, shown: object) -> None:
    assert _line(found=value)["found"] == shown


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "keys",
        "x-api-key",
        "authorization",
        "Set-Cookie",
        "ticket",
        "access_token",
        "signing_secret",
        "PASSWORD",
        "credentials",
        "idempotency_key",
    ],
)
def test_a_field_with_the_name_of_a_secret_is_not_shown(name: str) -> None:
    assert _line(**{name: "whatever"})[name] == REDACTED
    assert _line(headers={name: "whatever"})["headers"] == {name: REDACTED}


@pytest.mark.parametrize("name", ["keyboard", "monkey", "tokenizer", "reason", "partition"])
def test_a_name_that_only_sounds_like_one_is_shown(name: str) -> None:
    assert _line(**{name: "whatever"})[name] == "whatever"


def test_a_configured_secret_is_not_shown_wherever_it_stands() -> None:
    line = FORMAT.format(
        _record(f"from {KEY}!", reason=ValueError(KEY), found=[{"a": KEY}, {KEY: 1}], at=f"/{KEY}/")
    )

    assert KEY not in line
    assert line.count(REDACTED) == 5


def test_a_secret_that_is_part_of_another_leaves_no_rest() -> None:
    formatter = JsonLines("api", ["abcdefgh", "abcdefgh-and-more"])

    line = json.loads(formatter.format(_record("abcdefgh-and-more")))

    assert line["message"] == REDACTED


def test_a_secret_too_short_to_tell_from_words_leaves_the_text_alone() -> None:
    assert _line("a short text")["message"] == "a short text"


@pytest.mark.parametrize(
    "text",
    [
        "GET /stream/x/results?ticket=WRONG&from=now",
        "x-api-key: WRONG",
        "{'x-api-key': 'WRONG', 'accept': '*/*'}",
        "[(b'x-api-key', b'WRONG'), (b'host', b'x')]",
        "Authorization: Bearer WRONG",
        '"authorization": "Basic WRONG"',
        "API_KEY=WRONG",
        "connect(password='WRONG')",
    ],
)
def test_a_wrong_key_in_a_text_is_not_shown_either(text: str) -> None:
    line = _line(text, reason=text)

    assert "WRONG" not in json.dumps(line)
    assert line["message"] == line["reason"] == text.replace("WRONG", REDACTED)


def test_a_json_web_token_is_known_by_its_look() -> None:
    token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhY21lIn0.c2lnbmF0dXJl"

    assert _line(f"refused {token}.")["message"] == f"refused {REDACTED}."


@pytest.mark.parametrize(
    "spoil",
    [str, lambda key: key[:-1], lambda key: key[:40], lambda key: key * 2],
)
def test_an_issued_key_is_known_by_its_look_also_mistyped_and_in_foreign_words(
    spoil: Callable[[str], str],
) -> None:
    key = spoil(issued()[0])
    try:
        raise ConnectionError(f"GET /{key}/x refused")
    except ConnectionError:
        record = _record(f"({key})", seen=[{"at": key}], exc_info=sys.exc_info())
    record.name = "urllib3"

    line = FORMAT.format(record)

    assert issued_parts(key) & issued_parts(line) == {"millrace"}
    assert REDACTED in json.loads(line)["traceback"]


def issued_parts(text: str) -> set[str]:
    """Return the words that a part of a key may be, its id not among them."""
    return {word for word in re.split(r"[^0-9A-Za-z]+", text) if len(word) > 12} | {"millrace"}


@pytest.mark.parametrize(
    "text",
    [
        "API_KEY is not set: give the key that clients must send as x-api-key",
        "API_KEYS must be TENANT:KEY,TENANT:KEY",
        "The x-api-key is not valid",
        "Unexpected token in the expression",
        "millrace_send_to_deliver_seconds is above millrace_processing_lag_records",
    ],
)
def test_what_is_said_about_keys_stays_readable(text: str) -> None:
    assert _line(text)["message"] == text


def test_a_traceback_is_one_field_without_secrets() -> None:
    try:
        raise ConnectionError(f"login as x-api-key: {KEY} failed\nbadly")
    except ConnectionError:
        record = _record("unexpected", exc_info=sys.exc_info())

    line = json.loads(FORMAT.format(record))

    assert line["traceback"].startswith("Traceback (most recent call last)")
    assert line["traceback"].endswith(f"x-api-key: {REDACTED} failed\nbadly")


@pytest.fixture
def logging_as_it_was() -> Iterator[None]:
    """Put back the handlers and levels that a test changes."""
    names = ["", "aiokafka", "botocore", "httpx", "httpcore", "urllib3", "uvicorn", "websockets"]
    levels = {name: logging.getLogger(name).level for name in names}
    handlers = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.usefixtures("logging_as_it_was")
def test_a_configured_process_writes_lines_to_standard_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs("INFO", "processing", [KEY])

    logging.getLogger("millrace.test").info("hello %s", KEY, extra={"partition": 3})
    logging.getLogger("millrace.test").debug("not shown")

    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["message"] == f"hello {REDACTED}"
    assert json.loads(line)["partition"] == 3
    assert json.loads(line)["process"] == "processing"


@pytest.mark.usefixtures("logging_as_it_was")
@pytest.mark.parametrize("name", ["uvicorn.error", "uvicorn.access", "websockets.server", "httpx"])
def test_libraries_that_log_urls_and_headers_say_only_what_is_wrong(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A server without access logs, in this process before, has closed that logger for good.
    monkeypatch.setattr(logging.getLogger(name), "propagate", True)
    configure_logs("DEBUG", "api")

    logging.getLogger(name).debug("> x-api-key: ...")
    logging.getLogger(name).info('"WebSocket /stream/x/results?ticket=..." [accepted]')
    logging.getLogger(name).warning("cut off")

    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["message"] == "cut off"


@pytest.mark.usefixtures("logging_as_it_was")
def test_a_library_is_never_more_talkative_than_we_are(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("ERROR", "api")

    logging.getLogger("aiokafka").warning("not shown")

    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "text",
    ["token:", "token", "eyJaaaaaaaaa.eyJ", "millrace_aaaaaaaaaaaa_", "x-api-key:'", "bearer"],
)
def test_a_text_made_to_keep_the_search_busy_does_not(text: str) -> None:
    seconds = timeit(lambda: _line(text + " " * 50_000 + text * 10_000), number=1)

    assert seconds < 1
