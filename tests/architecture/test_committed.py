"""What stands in the repository, and what must not."""

import re
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, committed, text_of

# In parts, so that this file does not name them either.
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "(org|com)"),
        ("maven", "org"),
        ("maven", "apache", "org"),
        ("crates", "io"),
        ("proxy", "golang", "org"),
        ("deb", "debian", "org"),
        ("anaconda", "org"),
    )
]
HOST = re.compile("|".join(REGISTRIES).replace(".", r"\."), re.IGNORECASE)
MACHINE_PATH = re.compile(r"(?<![\w.}*$-])/(?:work|root|home|tmp|Users)/\w")
BINARY = {".gz", ".png", ".ico", ".jpg", ".woff2"}
LARGEST = 400_000


def _texts() -> list[Path]:
    return [path for path in committed() if path.suffix not in BINARY]


def _matching(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path}:{number}: {line.strip()[:80]}"
        for path in _texts()
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_file_names_the_host_of_a_package_registry() -> None:
    assert _matching(HOST) == []


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    assert _matching(MACHINE_PATH) == []


@pytest.mark.parametrize(
    ("line", "is_found"),
    [("cd /wor" + "k/main", True), ("/ho" + "me/me/x", True), ("https://x/work/y", False)],
)
def test_a_machines_path_is_told_from_a_urls(line: str, is_found: bool) -> None:
    assert (MACHINE_PATH.search(line) is not None) is is_found


def test_nothing_large_is_committed() -> None:
    sizes = {str(path): (ROOT / path).stat().st_size for path in committed()}

    assert {path: size for path, size in sizes.items() if size > LARGEST} == {}


REQUIREMENT = re.compile(r"[A-Za-z0-9][\w.-]*(\[[\w,-]+\])?==[\w.!+]+( ; .+)?")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
SETS = sorted(path.stem for path in committed() if path.match("requirements/*.txt"))
# Tools with an environment each, since their pins clash with the product's.
APART = {"checkov", "sam"}


@pytest.mark.parametrize("name", SETS)
def test_every_requirement_is_pinned_with_its_sums_and_from_no_place(name: str) -> None:
    text = text_of(Path("requirements") / f"{name}.txt").replace("\\\n", " ")
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    pins = [line for line in lines if line]

    assert pins
    for pin in pins:
        requirement, *sums = re.split(r"\s+(?=--hash)", pin)
        assert REQUIREMENT.fullmatch(requirement), pin
        assert sums, pin
        assert all(HASH.fullmatch(one) for one in sums), pin


def test_what_is_installed_is_locked() -> None:
    written = {path.stem for path in committed() if path.match("requirements/*.in")}

    # What no environment holds alone is part of one that is locked.
    assert written - set(SETS) == {"product"}
    assert "-r product.in" in text_of(Path("requirements/run.in")).splitlines()


def test_sets_that_include_each_other_pin_the_same_versions() -> None:
    pins: dict[str, set[str]] = {}
    for name in set(SETS) - APART:
        for line in text_of(Path("requirements") / f"{name}.txt").splitlines():
            if match := re.match(r"([A-Za-z0-9][\w.-]*)(?:\[.*\])?==(\S+)", line):
                marker = line.partition(";")[2].removesuffix("\\").strip()
                pins.setdefault(f"{match[1].lower()} {marker}", set()).add(match[2])

    assert {name: versions for name, versions in pins.items() if len(versions) > 1} == {}


OPTIMIZED = re.compile(r"PYTHONOPTIMIZE|\bpython[\d.]*(?:\s+-\w[^\n;|&]*)?\s-OO?\b|[\"']-OO?[\"']")


def test_no_command_drops_assertions() -> None:
    # aiokafka checks its own state with assert; without them a fault goes on unseen.
    here = Path(__file__).relative_to(ROOT)
    found = [
        f"{path}: {match[0]}"
        for path in _texts()
        if path != here
        for match in OPTIMIZED.finditer(text_of(path))
    ]

    assert found == []


@pytest.mark.parametrize(
    ("line", "is_found"),
    [("python -O -m x", True), ("python3.11 -X dev -OO x", True), ("curl -O x", False)],
)
def test_a_command_that_drops_assertions_is_seen(line: str, is_found: bool) -> None:
    assert (OPTIMIZED.search(line) is not None) is is_found
