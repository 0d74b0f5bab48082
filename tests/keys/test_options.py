"""What may be asked of the command for keys."""

from __future__ import annotations

import pytest

from streaming_runtime.keys.options import parse
from tests.core.issued import issued


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "add|list|rotate|revoke"),
        ("add", "--tenant"),
        ("add --tenant a:b", "tenant"),
        ("add --tenant a,b", "tenant"),
        ("add --tenant a\tb", "tenant"),
        ("add --tenant acme --scopes everything", "scopes"),
        ("add --tenant acme --scopes ,", "scopes"),
        ("add --tenant acme --streams a/b", "streams"),
        ("add --tenant acme --expires-in 0", "expires-in"),
        ("add --tenant acme --expires-in soon", "expires-in"),
        ("add --tenant acme --burst 5", "--per-second"),
        ("rotate", "ID"),
        ("rotate AAAAAAAAAAAA --overlap -1", "overlap"),
        ("revoke ../../keys", "ID"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(words.split(" ") if words else [])

    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_scopes_may_have_the_name_of_what_they_are_for() -> None:
    asked = parse(["add", "--tenant", "a", "--scopes", "stream:read, start"])

    assert asked.scopes == {"read", "start"}


def test_a_key_is_named_by_its_id_or_by_itself_and_a_mistyped_one_is_not_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text, key = issued()

    assert parse(["revoke", text]).key_id == parse(["revoke", key.key_id]).key_id == key.key_id
    with pytest.raises(SystemExit):
        parse(["revoke", text[:-1]])
    assert text.split("_")[2] not in capsys.readouterr().err
