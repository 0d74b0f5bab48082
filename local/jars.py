"""The broker's jars: fetched once with jgo, checked against committed sums at every start."""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import IO

from local.children import die_with_parent
from local.progress import Ticking, say

# The "!" keeps log4j's BOM from pulling an older kafka-clients in, with which the broker dies.
ENDPOINT = "org.apache.kafka:kafka_2.13:4.4.0+org.apache.logging.log4j:log4j-slf4j-impl:2.24.3!"
SUMS = Path(__file__).with_name("kafka-jars.sha256")
FETCH_SECONDS = 600
LOCK_POLL_SECONDS = 0.1
ADVICE = (
    "Set KAFKA_BROKER=host:port to use a broker of yours, or start everything in containers with"
    " `docker compose up`."
)


class JarsUnavailable(Exception):
    """The jars could not be fetched; the text says what to do."""


class JarsRefused(Exception):
    """A jar is not the one whose sum is committed."""


def cache_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where jars are kept for every checkout of this user."""
    home = environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "millrace" / "kafka-4.4.0"


def expected_sums(sums: Path = SUMS) -> dict[str, str]:
    """Read the committed file.

    Shape:   file name to SHA-256 in hexadecimal.
    """
    lines = sums.read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def faults(directory: Path, expected: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the jars in ``directory``, a line for each; 44 MB take 30 ms."""
    found = []
    for name, digest in expected.items():
        try:
            with (directory / name).open("rb") as jar:
                actual = hashlib.file_digest(jar, "sha256").hexdigest()
        except FileNotFoundError:
            found.append(f"{name} is missing")
        else:
            if actual != digest:
                found.append(f"{name} has the sum {actual}, not {digest}")
    return found


async def kafka_jars(
    directory: Path | None = None,
    expected: Mapping[str, str] | None = None,
    fetch_command: list[str] | None = None,
) -> list[Path]:
    """Return the verified jars, fetching them if the cache does not hold them.

    Raises:  JarsUnavailable if they cannot be fetched.
             JarsRefused if what was fetched is not what the committed sums say.
    """
    directory = directory or cache_directory()
    expected = expected if expected is not None else expected_sums()
    if faults(directory, expected):
        command = fetch_command or [sys.executable, "-m", "local.jars"]
        try:
            async with _alone(directory):
                if faults(directory, expected):
                    await _fetch(directory, expected, command)
        except OSError as problem:
            raise JarsUnavailable(
                f"The broker's jars cannot be kept in {directory.parent}, {problem.strerror}: name"
                f" another place with XDG_CACHE_HOME.\n{ADVICE}"
            ) from problem
    return [directory / name for name in sorted(expected)]


async def _fetch(directory: Path, expected: Mapping[str, str], command: list[str]) -> None:
    say(f"Fetching the embedded broker: Apache Kafka 4.4.0, {len(expected)} jars, 43 MB, once")
    for leftover in directory.parent.glob("fetching-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    # Always from an empty directory: jgo takes a half-written jar of a killed run for a whole one.
    staging = Path(tempfile.mkdtemp(prefix="fetching-", dir=directory.parent))
    try:
        await _run(command, staging, len(expected))
        wrong = faults(staging / "jars", expected)
        if wrong:
            listed = "\n  ".join(wrong)
            raise JarsRefused(
                f"The broker's jars are not the ones this version was tested with, so they are"
                f" not run ({SUMS.name}):\n  {listed}\n{ADVICE}"
            )
        shutil.rmtree(directory, ignore_errors=True)
        (staging / "jars").rename(directory)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


async def _run(command: list[str], staging: Path, count: int) -> None:
    process = await asyncio.create_subprocess_exec(
        *command,
        str(staging),
        cwd=Path(__file__).parent.parent,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=die_with_parent(),
    )
    try:
        with Ticking("fetching", lambda: _fetched(staging, count)):
            async with asyncio.timeout(FETCH_SECONDS):
                output, _ = await process.communicate()
    except TimeoutError:
        raise JarsUnavailable(
            f"The broker's jars did not arrive within {FETCH_SECONDS} s.\n{ADVICE}"
        ) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        lines = output.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise JarsUnavailable(
            f"The broker's jars could not be fetched (offline?): {lines[-1][:300]}\n{ADVICE}"
        )


def _fetched(staging: Path, count: int) -> str:
    # Not rglob: the tree changes meanwhile, and os.walk passes over what is gone.
    names = [name for _, _, files in os.walk(staging / "repository") for name in files]
    descriptions = sum(name.endswith(".pom") for name in names)
    jars = sum(name.endswith(".jar") for name in names)
    return f"{descriptions} descriptions, {jars} of {count} jars"


@contextlib.asynccontextmanager
async def _alone(directory: Path) -> AsyncIterator[None]:
    """Let one process fetch at a time; the kernel frees the lock of a killed one."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_name(f"{directory.name}.lock").open("w") as held:
        with Ticking("another run is fetching the broker's jars"):
            while not _locked(held):  # noqa: ASYNC110 - another process holds it
                await asyncio.sleep(LOCK_POLL_SECONDS)
        yield


def _locked(held: IO[str]) -> bool:
    # Asked again and again: a thread that waits inside flock could not be ended by Ctrl-C.
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def fetch(staging: Path) -> None:
    """Resolve the endpoint with jgo and gather all its jars in ``staging/jars``."""
    # jgo takes 0.1 s to import, and only a first start needs it.
    from jgo.env import EnvironmentBuilder, LinkStrategy  # noqa: PLC0415
    from jgo.maven import MavenContext  # noqa: PLC0415

    builder = EnvironmentBuilder(
        context=MavenContext(repo_cache=staging / "repository"),
        cache_dir=staging / "environment",
        link_strategy=LinkStrategy.AUTO,
    )
    gathered = staging / "jars"
    gathered.mkdir()
    # all_jars, because jars_dir alone misses the modular ones.
    for jar in builder.from_endpoint(ENDPOINT).all_jars:
        shutil.copyfile(jar, gathered / jar.name)


if __name__ == "__main__":
    fetch(Path(sys.argv[1]))
