"""A plain send is what the parser would have read as well, or it is none."""

from __future__ import annotations

from typing import Any

import httptools
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streaming_runtime.live.plain_send import KNOWN, PlainSend, read
from streaming_runtime.live.request_meaning import fault_of

STREAM = "AAAAAAAAAAAAAAAAAAAAA_"
LINE = f"POST /stream/{STREAM}/send HTTP/1.1".encode()
BODY = b'{"data":1}'
FIELDS = {
    b"Host": b"127.0.0.1:8080",
    b"X-Api-Key": b"a key",
    b"Content-Type": b"application/json",
    b"Content-Length": b"10",
}


def request(line: bytes = LINE, body: bytes = BODY, **changed: bytes | None) -> bytes:
    """Return a plain send with fields changed, added or left out (None)."""
    fields: dict[bytes, bytes | None] = {**FIELDS}
    for name, value in changed.items():
        fields[name.replace("_", "-").encode()] = value
    lines = [b"%b: %b" % (n, v) for n, v in fields.items() if v is not None]
    return b"\r\n".join([line, *lines, b"", body])


class Parsed:
    """What the parser of the server makes of the same bytes."""

    def __init__(self) -> None:
        self.url = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.heads = 0
        self.complete = 0
        self.parser: Any = httptools.HttpRequestParser(self)

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.heads += 1

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete += 1


def check_against_the_parser(data: bytes, plain: PlainSend) -> None:
    parsed = Parsed()
    parsed.parser.feed_data(data)
    method, version = parsed.parser.get_method(), parsed.parser.get_http_version()

    assert (parsed.heads, parsed.complete) == (1, 1)
    assert (method, version) == (b"POST", "1.1")
    assert parsed.url == f"/stream/{plain.stream_id}/send".encode()
    assert len(parsed.fields) == len(plain.fields)
    assert dict(parsed.fields) == plain.fields
    assert parsed.body == plain.body
    assert parsed.parser.should_keep_alive()
    assert not parsed.parser.should_upgrade()
    assert fault_of(method, parsed.url, version, parsed.fields) is None


def taken(data: bytes) -> tuple[PlainSend, bytes]:
    found = read(data)
    assert found is not None
    return found


@pytest.mark.parametrize("behind", [b"x", request(), request()[:-1], b"\r\n", b"GET / HTTP/1.1"])
def test_what_comes_behind_a_plain_send_is_left(behind: bytes) -> None:
    plain, rest = taken(request() + behind)

    assert rest == behind
    check_against_the_parser(request(), plain)


def test_a_plain_send_is_read() -> None:
    plain, rest = taken(request())

    assert rest == b""
    assert (plain.stream_id, plain.body) == (STREAM, BODY)
    assert plain.fields[b"x-api-key"] == b"a key"
    check_against_the_parser(request(), plain)


def test_every_field_that_is_known_may_be_there() -> None:
    more = {name.decode().title().replace("-", "_"): b"0" for name in KNOWN}
    more |= {"Connection": b"Keep-Alive", "Content_Length": b"10"}
    data = request(**more)

    plain, _ = taken(data)

    check_against_the_parser(data, plain)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        request()[:-1],
        request(LINE.replace(b"POST", b"PUT")),
        request(LINE.replace(b"POST", b"post")),
        request(LINE.replace(b"/send", b"/Send")),
        request(LINE.replace(b"/send", b"/send?")),
        request(LINE.replace(b"HTTP/1.1", b"HTTP/1.0")),
        request(LINE.replace(b"_", b"%5F")),
        request(LINE.replace(b"A_", b"_")),
        request(LINE.replace(b"A_", b"\xc3\xa9")),
        request(Host=None),
        request(Host=b""),
        request(Host=b"a b"),
        request(Content_Length=None),
        request(Content_Length=b""),
        request(Content_Length=b"+10"),
        request(Content_Length=b"1_0"),
        request(Content_Length=b"0x0a"),
        request(Content_Length=b"10, 10"),
        request(Content_Length=b"11"),
        request(Content_Length="\u0661\u0660".encode()),
        request(Transfer_Encoding=b"chunked"),
        request(Connection=b"close"),
        request(Connection=b"keep-alive, upgrade"),
        request(Upgrade=b"websocket"),
        request(Expect=b"100-continue"),
        request(Idempotency_Key=b"one"),
        request(Prefer=b"wait=5"),
        request(Origin=b"http://localhost"),
        request(Authorization=b"Bearer x"),
        request(Cookie=b"a=b"),
        request(X_Api_Key=b"a\tkey"),
        request(X_Api_Key=b"a\rkey"),
        request(X_Api_Key=b"a\nkey"),
        request(X_Api_Key=b"a\0key"),
        request(X_Api_Key=b"\xe9"),
        request(X_Api_Key=b"x" * 3_000),
        request().replace(b"X-Api-Key:", b"X-Api-Key :"),
        request().replace(b"X-Api-Key:", b" X-Api-Key:"),
        request().replace(b"X-Api-Key: ", b"Host: b\r\nX-Api-Key: "),
        request().replace(b"a key", b"a\r\n key"),
        request().replace(b"X-Api-Key: a key\r\n", b"X-Api-Key\r\n"),
        request().replace(b"\r\n", b"\n"),
        b"\r\n" + request(),
    ],
)
def test_what_is_unusual_in_any_way_is_left_to_the_parser(data: bytes) -> None:
    assert read(data) is None


@st.composite
def nearly_plain(draw: st.DrawFn) -> bytes:
    """Return a plain send with a few bytes put in, taken out or changed anywhere."""
    data = bytearray(request())
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        gone = draw(st.integers(0, 2))
        data[at : at + gone] = draw(
            st.sampled_from(
                [b"", b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"\0", b"a", b"0", b"\xff"]
            )
        )
    return bytes(data)


@settings(max_examples=3_000, deadline=None)
@given(nearly_plain())
@example(request().replace(b": ", b":"))
@example(request().replace(b"\r\n\r\n", b"  \r\n\r\n"))
@example(request(Content_Length=b"0010"))
def test_whatever_is_taken_for_plain_the_parser_reads_in_the_same_way(data: bytes) -> None:
    if (found := read(data)) is not None:
        plain, rest = found
        data = data[: len(data) - len(rest)]
        check_against_the_parser(data, plain)
