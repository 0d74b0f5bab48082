import socket
from collections.abc import Iterator

import pytest

from local import ports
from local.ports import FIRST, LAST, free_port, is_free, is_taken, obstacle


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_with_a_listener_is_not_free_and_says_so(taken: int) -> None:
    problem = obstacle(taken)

    assert not is_free(taken)
    assert problem is not None
    assert is_taken(problem)


def test_a_port_is_free_again_at_once_when_its_listener_is_gone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    assert is_free(port)


def test_an_address_of_another_machine_is_an_obstacle_but_not_a_taken_port() -> None:
    problem = obstacle(free_port(), "192.0.2.1")

    assert problem is not None
    assert not is_taken(problem)


def test_the_first_free_one_of_the_wanted_is_chosen(taken: int) -> None:
    wanted = free_port()

    assert free_port(0, taken, wanted) == wanted


def test_no_two_who_ask_in_turn_are_given_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "LAST", ports.FIRST + 400)

    assert len({free_port() for _ in range(100)}) == 100


def test_where_none_of_the_wanted_is_free_another_is_found(taken: int) -> None:
    assert FIRST <= free_port(taken, 65_536) < LAST
