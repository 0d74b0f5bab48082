"""Heads with one meaning, and heads that a proxy before us could read in another way."""

from __future__ import annotations

import pytest

from streaming_runtime.live.request_meaning import fault_of

Fields = list[tuple[bytes, bytes]]
HOST: Fields = [(b"host", b"a.example:8080")]


@pytest.mark.parametrize(
    ("method", "target", "version", "fields"),
    [
        (b"GET", b"/stream/x/results?from=now", "1.1", HOST),
        (b"GET", b"/", "1.0", []),
        (b"GET", b"/", "1.0", HOST),
        (b"GET", b"/", "1.1", [(b"host", b"")]),
        (b"GET", b"/", "1.1", [(b"host", b"[::1]:80")]),
        (b"POST", b"/", "1.1", [*HOST, (b"transfer-encoding", b"Chunked")]),
        (b"OPTIONS", b"*", "1.1", HOST),
        (b"GET", b"http://A.example:8080/x?y", "1.1", HOST),
        (b"GET", b"https://a.example:8080", "1.1", HOST),
    ],
)
def test_a_head_with_one_meaning_passes(
    method: bytes, target: bytes, version: str, fields: Fields
) -> None:
    assert fault_of(method, target, version, fields) is None


@pytest.mark.parametrize(
    ("method", "target", "version", "fields"),
    [
        (b"GET", b"/", "0.9", []),
        (b"GET", b"/", "2.0", HOST),
        (b"GET", b"/", "1.1", []),
        (b"GET", b"/", "1.1", HOST * 2),
        (b"GET", b"/", "1.0", HOST * 2),
        (b"GET", b"/", "1.1", [(b"host", b"a, b")]),
        (b"GET", b"/", "1.1", [(b"host", b"a/b")]),
        (b"GET", b"/", "1.1", [(b"host", b"user@a")]),
        (b"GET", b"/a#b", "1.1", HOST),
        (b"GET", b"*", "1.1", HOST),
        (b"GET", b"a/b", "1.1", HOST),
        (b"GET", b"http://b.example:8080/", "1.1", HOST),
        (b"GET", b"http://a.example:8080@b/", "1.1", HOST),
        (b"GET", b"ftp://a.example:8080/", "1.1", HOST),
        (b"POST", b"/", "1.1", [*HOST, (b"transfer-encoding", b"gzip, chunked")]),
        (b"POST", b"/", "1.1", [*HOST, (b"transfer-encoding", b"\x0bchunked")]),
        (b"POST", b"/", "1.0", [(b"transfer-encoding", b"chunked")]),
        (b"GET", b"/", "1.0", [(b"upgrade", b"websocket")]),
    ],
)
def test_a_head_with_two_meanings_has_a_fault(
    method: bytes, target: bytes, version: str, fields: Fields
) -> None:
    assert fault_of(method, target, version, fields)
