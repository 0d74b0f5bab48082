"""Bytecode that Python believes: every file of a zip is dated 1980, so dates say nothing."""

import subprocess
from pathlib import Path

from local.build.failure import BuildFailed
from local.build.target import Target

TASK_ROOT = "/var/task"  # Where Lambda unpacks a function: what tracebacks show.
COMPILE_SECONDS = 300


def compile_all(directory: Path, target: Target, *, keeps_source: bool = True) -> None:
    """Compile every module of a folder, the same bytes each time.

    Shape:   without its source a module is only what it was compiled to, under the same name.

    One process, because what a module compiles to depends a little on what was compiled before it
    in the same one; and a fixed hash seed, because sets are written in the order of their hashes.

    Raises:  BuildFailed if a module does not compile.
    Source:  PEP 552: hash-based, unchecked; PEP 3147: without a source.
    """
    if target.interpreter is None:
        return
    command = [str(target.interpreter), "-S", "-m", "compileall", "-q", "-f", "-j", "1"]
    command += ["--invalidation-mode", "unchecked-hash", "-s", str(directory), "-p", TASK_ROOT]
    done = subprocess.run(
        [*command, *([] if keeps_source else ["-b"]), str(directory)],
        env={"PYTHONHASHSEED": "0", "PYTHONNOUSERSITE": "1"},
        capture_output=True,
        text=True,
        timeout=COMPILE_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise BuildFailed(f"a module does not compile for {target.label}:\n{done.stdout[-1500:]}")
    if not keeps_source:
        for path in directory.glob("**/*.py"):
            path.unlink()
