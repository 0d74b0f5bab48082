"""``python -m local.build``: what ``make build`` runs, and ``make build-SendFunction`` for SAM."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from local.build.build import Builder, zipped
from local.build.failure import BuildFailed
from local.build.functions import FUNCTIONS, Function, function_named
from local.build.packages import PackageStore
from local.build.target import (
    ARCHITECTURES,
    RUNTIME,
    Target,
    for_lambda,
    for_this_machine,
    interpreter_of,
)
from local.children import follow_make
from local.progress import say, warn

ROOT = Path(__file__).resolve().parents[2]
INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """Build; 1 if that failed, 2 if it was asked wrongly."""
    follow_make(os.environ)
    options = _parser().parse_args(arguments)
    try:
        chosen = [function_named(name) for name in options.functions] or list(FUNCTIONS)
        _build(chosen, options)
    except LookupError as problem:
        warn(str(problem.args[0]))
        return 2
    except (BuildFailed, OSError) as problem:
        warn(str(problem))
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def store_of(root: Path) -> PackageStore:
    """Return where a checkout keeps what it installed for functions."""
    return PackageStore(root / ".local" / "packages", root / "requirements")


def _build(functions: Sequence[Function], options: argparse.Namespace) -> None:
    target = _target(options)
    builder = Builder(ROOT, store_of(ROOT), target)
    if options.artifacts_dir:
        # SAM made this folder and looks into it afterwards, so it is filled and not replaced.
        (function,) = functions
        builder.fill(function, Path(options.artifacts_dir))
        return
    out = Path(options.out)
    say(f"Building {len(functions)} functions for {target.label} into {out}/")
    for function in functions:
        begun = time.monotonic()
        built = builder.build(function, out / function.name)
        made = zipped(built, out / f"{function.name}.zip")
        say(
            f"  {function.name:8} {built.unzipped_bytes / 1e6:5.1f} MB,"
            f" zip {made.zipped_bytes / 1e6:4.1f} MB, sha256 {made.digest[:16]},"
            f" {time.monotonic() - begun:.1f} s"
        )


def _target(options: argparse.Namespace) -> Target:
    if options.host:
        return for_this_machine()
    python = options.python
    interpreter = interpreter_of(python, options.target_python, Path.home())
    if interpreter is None:
        where = f"{options.target_python} is none" if options.target_python else "none was found"
        warn(
            f"No bytecode: only a Python {python} can compile it, and {where}. What is built works,"
            " and starts 2 to 3 times slower. Install one, or name it with --target-python."
        )
    return for_lambda(options.arch, python, interpreter)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.build",
        description="Build the functions: build/NAME/ and build/NAME.zip for each.",
    )
    known = ", ".join(function.name for function in FUNCTIONS)
    parser.add_argument("functions", nargs="*", metavar="NAME", help=f"{known}; none: all")
    parser.add_argument("--arch", choices=ARCHITECTURES, default="arm64", help="Lambda's processor")
    parser.add_argument("--python", default=RUNTIME, help=f"version of the Runtime ({RUNTIME})")
    parser.add_argument("--target-python", default="", metavar="PATH", help="who compiles for it")
    parser.add_argument("--host", action="store_true", help="for this machine and interpreter")
    parser.add_argument("--out", default="build", metavar="DIR", help="where to (build)")
    parser.add_argument(
        "--artifacts-dir", default="", metavar="DIR", help="for one function: SAM's"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
