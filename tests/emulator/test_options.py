"""What the emulator's command line takes, refuses and says of itself."""

from __future__ import annotations

import pytest

from local.emulator.options import read
from streaming_runtime.core.errors import ConfigurationInvalid


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--control-port", "99999"], "--control-port"),
        (["--control-port", "-1"], "--control-port"),
        (["--timeout", "-5"], "--timeout"),
        (["--timeout", "0"], "--timeout"),
        (["--concurrency", "0"], "--concurrency"),
        (["--fault", "send:rust"], "--fault"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_starts(
    arguments: list[str], word: str
) -> None:
    with pytest.raises(ConfigurationInvalid, match=word):
        read(arguments, {}, {})


def test_help_tells_of_both_halves(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read(["--help"], {}, {})

    shown = capsys.readouterr().out
    assert ended.value.code == 0
    assert "--concurrency" in shown and "--partitions" in shown
