import pytest

from streaming_runtime.live.origins import is_allowed

ALLOWED = ["https://app.example"]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"host": "api.example"}, True),
        ({"host": "api.example", "origin": "https://api.example"}, True),
        ({"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080"}, True),
        ({"host": "api.example", "origin": "https://app.example"}, True),
        ({"host": "api.example", "origin": "https://evil.example"}, False),
        ({"host": "api.example", "origin": "https://api.example.evil"}, False),
        ({"host": "api.example:8080", "origin": "https://api.example"}, False),
        ({"host": "api.example", "origin": "file://api.example"}, False),
        ({"host": "api.example", "origin": "null"}, False),
        ({"host": "api.example", "origin": "http://["}, False),
        ({"origin": "https://"}, False),
    ],
)
def test_pages_of_this_host_and_of_the_list_may_open_a_socket(
    headers: dict[str, str], expected: bool
) -> None:
    assert is_allowed(headers, ALLOWED) is expected
