from __future__ import annotations

from pathlib import Path

import pytest

from tests.supply_chain.locks import NotPinned, Pin, pins_of

SUM = f"--hash=sha256:{'0' * 64}"


def lock(folder: Path, text: str) -> Path:
    (folder / "x.txt").write_text(text, encoding="utf-8")
    return folder


def test_a_pin_has_its_sums_and_who_asks_for_it(tmp_path: Path) -> None:
    text = (
        f"Aa-b[c]==1.0 ; python_full_version < '3.13' \\\n    {SUM} \\\n    {SUM}\n"
        "    # via\n    #   -r requirements/x.in\n    #   dd\n    #   cc\n"
        f"dd==2 \\\n    {SUM}\n    # via -r requirements/x.in\n"
    )

    first, second = pins_of("x", lock(tmp_path, text))

    assert first == Pin("aa-b", "1.0", ("0" * 64, "0" * 64), ("cc", "dd"))
    assert second == Pin("dd", "2", ("0" * 64,))


@pytest.mark.parametrize(
    "line",
    [
        "a==1",
        f"a>=1 {SUM}",
        f"a {SUM}",
        f"a==1.* {SUM}",
        "a==1 --hash=md5:0",
        "-e .",
        f"--extra-index-url https://elsewhere.example {SUM}",
        f"a @ https://elsewhere.example/a.whl {SUM}",
    ],
)
def test_what_is_not_one_version_with_its_sums_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(NotPinned):
        pins_of("x", lock(tmp_path, f"{line}\n"))
