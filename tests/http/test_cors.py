"""Which origins a browser may call us from."""

from streaming_runtime.http.cors import Cors

PAGE = b"https://app.example"


def preflight(origin: bytes) -> dict[bytes, bytes]:
    return {b"origin": origin, b"access-control-request-method": b"POST"}


def test_an_origin_of_the_list_may_read_answers_and_another_may_not() -> None:
    cors = Cors(["https://app.example"])

    allowed = dict(cors.fields({b"origin": PAGE}))
    foreign = dict(cors.fields({b"origin": b"https://app.example.evil"}))

    assert allowed[b"access-control-allow-origin"] == PAGE
    assert b"x-request-id" in allowed[b"access-control-expose-headers"]
    assert foreign == {b"vary": b"Origin"}


def test_a_preflight_is_answered_for_an_origin_of_the_list_only() -> None:
    cors = Cors(["https://app.example"])

    answer = cors.preflight(preflight(PAGE))

    assert answer is not None and answer.status_code == 204
    assert "x-api-key" in answer.own_headers["Access-Control-Allow-Headers"]
    assert cors.preflight(preflight(b"https://evil.example")) is None
    assert cors.preflight({b"origin": PAGE}) is None


def test_a_star_allows_every_origin() -> None:
    assert Cors(["*"]).preflight(preflight(b"https://any.example")) is not None
