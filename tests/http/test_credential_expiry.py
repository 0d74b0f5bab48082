"""When a reader is told that its credential ends."""

from __future__ import annotations

from streaming_runtime.http.credential_expiry import NOTICE_SECONDS, CredentialExpiry


class Clock:
    """A wall clock that is set by hand."""

    def __init__(self) -> None:
        self.ms = 1_000_000

    def __call__(self) -> int:
        return self.ms


def test_a_credential_without_an_end_is_never_told_of() -> None:
    expiry = CredentialExpiry(None, Clock())

    assert expiry.seconds_left() is None
    assert expiry.wait(15.0) == 15.0
    assert expiry.due() is None


def test_a_reader_is_told_once_a_minute_before_and_waited_for_no_longer_than_until_then() -> None:
    clock = Clock()
    expiry = CredentialExpiry(clock.ms + 70_000, clock)

    assert (expiry.wait(15.0), expiry.due()) == (10.0, None)
    clock.ms += 10_000
    assert expiry.wait(15.0) == 0.0
    assert expiry.due() == NOTICE_SECONDS
    assert expiry.due() is None
    assert expiry.wait(15.0) == 15.0
    assert expiry.seconds_left() == 60.0


def test_a_reader_that_comes_late_is_told_at_once_of_what_is_left() -> None:
    clock = Clock()
    expiry = CredentialExpiry(clock.ms + 1_999, clock)

    assert expiry.wait(15.0) == 0.0
    assert expiry.due() == 1


def test_nothing_is_left_of_a_credential_that_has_ended() -> None:
    clock = Clock()
    expiry = CredentialExpiry(clock.ms - 5_000, clock)

    assert expiry.seconds_left() == 0.0
    assert expiry.due() == 0
