from pathlib import Path

import pytest

from streaming_runtime.core.dotenv import BadLine, load, parsed


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("NAME=value", {"NAME": "value"}),
        ("  NAME = value  ", {"NAME": "value"}),
        ("export NAME=value", {"NAME": "value"}),
        ("export\tNAME=value", {"NAME": "value"}),
        ("NAME=", {"NAME": ""}),
        ("NAME= # only a remark", {"NAME": ""}),
        ("NAME=value # remark", {"NAME": "value"}),
        ("NAME=value\t# remark", {"NAME": "value"}),
        ("NAME=a#b", {"NAME": "a#b"}),
        ("NAME=#begins-so", {"NAME": "#begins-so"}),
        ("NAME=a=b", {"NAME": "a=b"}),
        ('NAME="a # b"', {"NAME": "a # b"}),
        ("NAME='a \" b'   # remark", {"NAME": 'a " b'}),
        ("NAME=''", {"NAME": ""}),
        ("NAME=$HOME", {"NAME": "$HOME"}),
        ("# NAME=value", {}),
        ("", {}),
    ],
)
def test_a_line_is_read_as_a_shell_user_expects(line: str, expected: dict[str, str]) -> None:
    assert parsed(line) == expected


def test_the_last_of_two_lines_counts_and_windows_line_ends_do_not() -> None:
    assert parsed("A=1\r\nB=2\r\nA=3\r\n") == {"A": "3", "B": "2"}


@pytest.mark.parametrize(
    "line", ["secret", "=secret", "my key=secret", "2KEY=secret", 'KEY="secret', "KEY='se'cret"]
)
def test_a_bad_line_is_named_by_its_number_and_never_shown(line: str) -> None:
    with pytest.raises(BadLine) as caught:
        parsed(f"GOOD=1\n{line}\n")

    assert "line 2" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_no_file_means_no_variables(tmp_path: Path) -> None:
    assert load(tmp_path / ".env") == {}


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    tmp_path.joinpath(".env").write_bytes(b"\xef\xbb\xbfAPI_KEY=k\n")

    assert load(tmp_path / ".env") == {"API_KEY": "k"}


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    tmp_path.joinpath(".env").write_bytes(b"API_KEY=\xff\xfe\n")

    with pytest.raises(BadLine, match="UTF-8"):
        load(tmp_path / ".env")
