from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from streaming_runtime.console.pages import (
    FOLDER,
    SECURITY_HEADERS,
    assets,
    problem_page,
    problems_index,
)
from streaming_runtime.core.errors import every_error
from tests.console.markup import Element, elements

STATUSES = {error.code: 400 for error in every_error()}
PAGES = {
    **{path: asset.body for path, asset in assets().items() if "html" in asset.media_type},
    "/problems": problems_index(STATUSES),
    "/problems/outcome-unknown": problem_page("outcome-unknown", 503) or b"",
}
SCRIPTS = {p: a.body.decode() for p, a in assets().items() if p.endswith(".js")}
STYLES = {p: a.body.decode() for p, a in assets().items() if p.endswith(".css")}
# A namespace is a name that looks like an address; nothing is ever fetched from it.
NAMESPACE = "http://www.w3.org/2000/svg"
IMPORT = re.compile(r'^(?:import|export)\b[^;"]*?from "([^"]+)";', re.MULTILINE)


def references(found: list[Element]) -> Iterator[str]:
    for element in found:
        yield from (element[name] for name in ("href", "src") if element[name])


def test_the_console_and_the_docs_have_addresses_of_their_own() -> None:
    served = assets()

    assert {"/", "/docs", "/console/console.js", "/console/sse.js"} <= served.keys()
    assert all(path in {"/", "/docs"} or path.startswith("/console/") for path in served)
    assert all(asset.path == path and asset.body for path, asset in served.items())


def test_every_file_of_the_folder_is_served_but_for_the_note_to_node() -> None:
    names = {file.name for file in FOLDER.iterdir()} - {"package.json"}

    assert len(assets()) == len(names)


def test_media_types_say_what_the_files_are() -> None:
    types = {path.rpartition(".")[2]: asset.media_type for path, asset in assets().items()}

    assert types["js"] == "text/javascript; charset=utf-8"
    assert types["css"] == "text/css; charset=utf-8"
    assert types["svg"] == "image/svg+xml"
    assert assets()["/"].media_type == "text/html; charset=utf-8"


def test_nothing_is_read_by_importing() -> None:
    script = (
        "import pathlib, sys\n"
        "pathlib.Path.read_bytes = pathlib.Path.iterdir = None\n"
        "import streaming_runtime.console.pages\n"
        "assert not {'litestar', 'aiokafka', 'pydantic'} & sys.modules.keys()\n"
    )

    subprocess.run([sys.executable, "-c", script], check=True, timeout=30)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_refers_only_to_what_this_server_has(path: str) -> None:
    found = elements(PAGES[path])
    known = {"/", "/docs", "/problems", "/schema", "/asyncapi", *assets()}
    known |= {f"/problems/{code}" for code in [*STATUSES, "internal"]}

    for reference in references(found):
        ids = {element["id"] for element in found}
        assert reference.removeprefix("#") in ids if reference[0] == "#" else reference in known


@pytest.mark.parametrize("path", PAGES)
def test_a_page_needs_nothing_that_its_policy_forbids(path: str) -> None:
    found = elements(PAGES[path])

    assert not [e.tag for e in found if e.tag in {"style", "iframe", "object", "embed", "base"}]
    assert not [e.attributes for e in found if "style" in e.attributes]
    assert not [a for e in found for a in e.attributes if a.startswith("on")]
    assert all(e["src"] and not e.text.strip() for e in found if e.tag == "script")


@pytest.mark.parametrize("path", [*SCRIPTS, *STYLES])
def test_no_file_asks_anything_of_another_host(path: str) -> None:
    text = (SCRIPTS | STYLES)[path].replace(NAMESPACE, "")

    assert not re.findall(r"https?:|[\"'(]//|@import|\burl\(", text)


@pytest.mark.parametrize("path", SCRIPTS)
def test_a_script_makes_no_markup_and_no_code_out_of_text(path: str) -> None:
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment"
        r"|\beval\b|new Function|setAttribute\(.on|\.style\b|localStorage|document\.cookie"
    )

    assert not re.findall(forbidden, SCRIPTS[path])


@pytest.mark.parametrize("path", SCRIPTS)
def test_every_import_of_a_script_is_served(path: str) -> None:
    imported = IMPORT.findall(SCRIPTS[path])

    assert all(f"/console/{name.removeprefix('./')}" in assets() for name in imported)


@pytest.mark.parametrize(("page", "script"), [("/", "console"), ("/docs", "docs")])
def test_every_element_that_a_script_looks_for_is_in_its_page(page: str, script: str) -> None:
    ids = {element["id"] for element in elements(assets()[page].body)}
    loaded, wanted = {f"/console/{script}.js"}, list[str]()

    for path in list(loaded):
        _load(path, loaded)
    for path in loaded:
        wanted += re.findall(r'(?:byId|[eE]rror)\("([a-z-]+)"', SCRIPTS[path])

    assert wanted
    assert set(wanted) <= ids | {f"{name}-error" for name in ids}


def _load(path: str, loaded: set[str]) -> None:
    for name in IMPORT.findall(SCRIPTS[path]):
        imported = f"/console/{name.removeprefix('./')}"
        if imported not in loaded:
            loaded.add(imported)
            _load(imported, loaded)


def test_the_policy_allows_own_files_and_nothing_else() -> None:
    directives = dict(
        directive.partition(" ")[::2]
        for directive in SECURITY_HEADERS["Content-Security-Policy"].split("; ")
    )

    assert directives.pop("default-src") == "'none'"
    assert {directives[name] for name in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert directives["img-src"] == "'self' data:"
    for name in ("base-uri", "form-action", "frame-ancestors", "trusted-types"):
        assert directives[name] == "'none'"
    assert SECURITY_HEADERS["Referrer-Policy"] == "no-referrer"
    assert SECURITY_HEADERS["X-Frame-Options"] == "DENY"
