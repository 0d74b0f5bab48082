import pytest

from tests.bench.answers import MAX_HEAD_BYTES, NotHttp, parse_answer, parse_head

ACCEPTED = b"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def test_an_answer_has_status_and_body_and_leaves_what_follows() -> None:
    answer = parse_answer(ACCEPTED + b"HTTP/1.1")

    assert answer is not None
    assert (answer.status, answer.body, answer.size) == (202, b"{}", len(ACCEPTED))


@pytest.mark.parametrize("length", range(len(ACCEPTED)))
def test_an_answer_cut_anywhere_is_waited_for(length: int) -> None:
    assert parse_answer(ACCEPTED[:length]) is None


def test_an_answer_that_has_no_body_ends_with_its_head() -> None:
    wire = b"HTTP/1.1 204 No Content\r\ndate: now\r\n\r\n"

    answer = parse_answer(wire)

    assert answer is not None
    assert (answer.status, answer.body, answer.size) == (204, b"", len(wire))


def test_a_length_in_the_body_is_not_the_answers() -> None:
    head = parse_head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ncontent-length: 9\r\n")

    assert head is not None
    assert (head.length, head.is_chunked) == (None, True)


@pytest.mark.parametrize(
    "wire",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 abc Huh\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nendless",
        b"x" * (MAX_HEAD_BYTES + 1),
    ],
)
def test_what_is_no_answer_of_ours_is_refused(wire: bytes) -> None:
    with pytest.raises(NotHttp):
        parse_answer(wire)
