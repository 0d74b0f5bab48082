"""What ``make build`` leaves: small, compiled, self-contained, and the same each time."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from local.build import __main__ as command
from local.build.archive import files_of, size_of, write_zip
from local.build.build import MOST_BYTES, Builder
from local.build.contents import EVERYWHERE, IN_START, OF_THE_RUNTIME
from local.build.failure import BuildFailed
from local.build.functions import FUNCTIONS, function_named
from local.build.own_code import OURS, reachable
from local.build.packages import PackageStore
from local.build.pins import pinned
from local.build.target import RUNTIME, Target, for_lambda, for_this_machine, interpreter_of
from local.emulator.measuring import BASELINE, import_seconds
from tests.emulator.conftest import Built
from tests.local.processes import ROOT

pytestmark = pytest.mark.timeout(240)

NAMES = [function.name for function in FUNCTIONS]
UNCHECKED = 1  # Hash-based, and nobody looks at the source. PEP 552.
MAGIC_OF_3_13 = 3571
FOREIGN = {"boto3", "faker", "httpx", "local", "moto", "pygments", "quixstreams", "rich", "tests"}
FOREIGN |= {"uvicorn", "websockets", "prometheus_client", "confluent_kafka"}
# Importing a handler, to importing what any function of this kind needs.
MOST_TIMES_BASELINE = 1.6
TRIES = 4
REQUIREMENTS = ROOT / "requirements"


def header(path: Path) -> tuple[int, int]:
    """Return the magic number and the flags of a file of bytecode."""
    magic, flags = struct.unpack("<HxxI", path.read_bytes()[:8])
    return magic, flags


def sums(directory: Path) -> dict[str, str]:
    """Return the sum of each file of a folder, by its path in it."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files_of(directory)
    }


def isolated(directory: Path, code: str) -> str:
    """Run code with a function's folder and the standard library, far from the checkout."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", code, str(directory)],
        cwd="/",
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_a_function_imports_with_nothing_but_its_folder(name: str, built: Built) -> None:
    code = (
        "import sys, json; sys.path.insert(0, sys.argv[1]);"
        f"import functions.{name}.handler as it; assert callable(it.handler);"
        "print(json.dumps([sorted({n.split('.')[0] for n in sys.modules}),"
        "[m.__file__ for m in sys.modules.values() if getattr(m, '__file__', None)],"
        "[m.__cached__ for m in sys.modules.values() if getattr(m, '__cached__', None)]]))"
    )
    directory = built(name)

    modules, files, cached = json.loads(isolated(directory, code))

    assert FOREIGN & set(modules) == set()
    assert not any(file.startswith(f"{ROOT}/") and str(directory) not in file for file in files)
    ours = [path for path in cached if path.startswith(str(directory))]
    assert all(Path(path).is_file() for path in ours)


def test_a_function_can_check_a_token_with_nothing_but_its_folder(built: Built) -> None:
    key = RSAKey.generate_key(2048, {"kid": "k"})
    published = {"keys": [key.as_dict(private=False)]}
    claims = {"iss": "https://issuer", "aud": "us", "sub": "acme", "exp": time.time() + 60}
    token = jwt.encode({"alg": "RS256", "kid": "k"}, claims, key)
    code = (
        "import sys, asyncio; sys.path.insert(0, sys.argv[1]);"
        "import functions.send.handler;"
        "assert not {'joserfc', 'cryptography'} & set(sys.modules);"
        "from streaming_runtime.core.jwt_settings import JwtSettings;"
        "from streaming_runtime.http.bearer import IssuerTokens;"
        "from streaming_runtime.http.key_set import KeySet;"
        "settings = JwtSettings('https://issuer', 'us', '', ('RS256',), 'sub');"
        f"tokens = IssuerTokens(settings, KeySet(lambda: {published!r}));"
        f"print(asyncio.run(tokens.principal_of({token!r})).tenant);"
        "print(sys.modules['cryptography'].__file__)"
    )
    directory = built("send")

    tenant, file = isolated(directory, code).splitlines()

    assert tenant == "acme"
    assert file.startswith(str(directory))


@pytest.mark.parametrize("name", NAMES)
def test_a_function_holds_only_what_it_reaches(name: str, built: Built) -> None:
    directory = built(name)
    packages = {path.name.partition("-")[0].lower() for path in directory.glob("*.dist-info")}
    ours = {path.name for path in directory.glob("streaming_runtime/*")}

    assert {
        "faker",
        "pygments",
        "rich",
        "httpx",
        "polyfactory",
        *OF_THE_RUNTIME,
    } & packages == set()
    assert ("pydantic" in packages) == (name == "start")
    assert {"live", "console", "dead_letters"} & ours == set()
    assert ("processing" in ours) == (name == "start")
    assert [path.name for path in directory.glob("functions/*/handler.py")] == ["handler.py"]
    assert size_of(directory) < MOST_BYTES


@pytest.mark.parametrize("name", ["start", "results"])
def test_all_bytecode_is_believed_whatever_the_date(name: str, built: Built) -> None:
    directory = built(name)
    compiled = [path for path in files_of(directory) if path.suffix == ".pyc"]
    sources = [path for path in files_of(directory) if path.suffix == ".py"]

    # Ours has both, so that a traceback shows its lines; what others wrote is only compiled.
    assert {path.relative_to(directory).parts[0] for path in sources} == set(OURS)
    assert {Path(importlib.util.cache_from_source(str(path))) for path in sources} < set(compiled)
    assert len(compiled) > 300
    assert {header(path)[1] for path in compiled} == {UNCHECKED}
    assert not any(str(ROOT).encode() in path.read_bytes() for path in compiled)


@pytest.mark.soak
def test_two_builds_at_two_times_in_two_places_are_the_same_bytes(
    built: Built, tmp_path: Path
) -> None:
    kept = built("send")
    builder = Builder(ROOT, PackageStore(tmp_path / "store", REQUIREMENTS), for_this_machine())

    made = builder.build(function_named("send"), tmp_path / "send").directory

    assert sums(made) == sums(kept)


def test_a_zip_is_the_same_whatever_the_dates_and_modes_of_its_files(tmp_path: Path) -> None:
    digests = set[str]()
    for number, names in enumerate((("a.py", "b/c.so", "b/d"), ("b/d", "b/c.so", "a.py"))):
        directory = tmp_path / str(number)
        for name in names:
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
            path.chmod(0o600 if number else 0o777)
            os.utime(path, (1e9 + number, 1e9 + number))
        digests.add(write_zip(directory, tmp_path / f"{number}.zip"))

    assert len(digests) == 1
    with zipfile.ZipFile(tmp_path / "0.zip") as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
    assert list(entries) == ["a.py", "b/c.so", "b/d"]
    assert {entry.date_time for entry in entries.values()} == {(1980, 1, 1, 0, 0, 0)}
    assert entries["b/c.so"].external_attr >> 16 == 0o100755
    assert entries["a.py"].external_attr >> 16 == 0o100644


def test_a_build_for_lambda_fits_its_runtime_and_processor(tmp_path: Path) -> None:
    target = for_lambda("arm64", RUNTIME, interpreter_of(RUNTIME, "", Path.home()))
    builder = Builder(ROOT, command.store_of(ROOT), target)
    try:
        made = builder.build(function_named("start"), tmp_path / "start")
    except BuildFailed as problem:
        if "offline" not in str(problem):
            raise
        pytest.skip(f"the wheels for Lambda are not here: {problem}")
    libraries = [path for path in files_of(made.directory) if path.suffix == ".so"]
    compiled = [path for path in files_of(made.directory) if path.suffix == ".pyc"]

    assert made.unzipped_bytes < MOST_BYTES
    assert len(libraries) >= 5
    assert all("cpython-313-aarch64" in path.name or "abi3" in path.name for path in libraries)
    if target.interpreter is not None:
        assert len(compiled) > 300
        assert {header(path) for path in compiled} == {(MAGIC_OF_3_13, UNCHECKED)}
    else:
        assert compiled == []


def test_without_an_interpreter_for_its_runtime_a_function_is_built_without_bytecode(
    tmp_path: Path,
) -> None:
    target = Target("a runtime without an interpreter", "3.99", (), None)
    builder = Builder(ROOT, PackageStore(tmp_path / "store", REQUIREMENTS), target)

    made = builder.build(function_named("streams"), tmp_path / "streams")

    assert [path for path in files_of(made.directory) if path.suffix == ".pyc"] == []
    assert (made.directory / "functions/streams/handler.py").is_file()


def test_sam_gets_a_function_by_its_logical_id_where_it_wants_it(tmp_path: Path) -> None:
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()

    code = command.main(["StreamsFunction", "--host", "--artifacts-dir", str(artifacts)])

    assert code == 0
    assert (artifacts / "functions/streams/handler.py").is_file()
    assert (artifacts / "litestar/__init__.pyc").is_file()


def test_an_unknown_function_is_refused_with_those_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.main(["sned"]) == 2
    assert "'sned', only start, send, results, streams" in capsys.readouterr().err


def test_what_goes_in_is_pinned_with_sums_as_the_tests_have_it() -> None:
    pins = pinned((*EVERYWHERE, *IN_START), REQUIREMENTS).splitlines()

    assert len(pins) == len(EVERYWHERE) + len(IN_START)
    assert all("--hash=sha256:" in pin for pin in pins)
    with pytest.raises(BuildFailed, match="nobody-has-this"):
        pinned(["nobody-has-this"], REQUIREMENTS)


def test_a_function_takes_modules_that_are_imported_late_or_by_name() -> None:
    names = {str(path) for path in reachable("functions.start.handler", ROOT)}

    # `from streaming_runtime.http import problems` names a module, not something in one.
    assert "streaming_runtime/http/problems.py" in names
    assert {"functions/__init__.py", "streaming_runtime/core/errors.py"} <= names
    assert not any(name.startswith(("local", "tests", "functions/send")) for name in names)


def test_an_interpreter_that_is_none_or_of_another_version_is_not_taken(tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)

    assert interpreter_of("3.13", str(broken), tmp_path) is None
    assert interpreter_of("2.0", sys.executable, tmp_path) is None
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert interpreter_of(own, "", tmp_path) == Path(sys.executable)


# The one that also loads pydantic, and the one that is called most.
@pytest.mark.parametrize("name", ["start", "send"])
def test_importing_a_handler_takes_little_longer_than_what_it_stands_on(
    name: str, built: Built
) -> None:
    ratios: list[float] = []
    # A machine that is busy with other things makes a ratio worse and never better.
    while not ratios or (min(ratios) >= MOST_TIMES_BASELINE and len(ratios) < TRIES):
        own, baseline = import_seconds(built(name), f"functions.{name}.handler", BASELINE, runs=2)
        ratios.append(own / baseline)

    assert min(ratios) < MOST_TIMES_BASELINE, ratios
