"""``python -m local.emulator``: what ``make lambda`` starts."""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from local.children import follow_make
from local.command import ASKED_WRONGLY, supervise
from local.emulator.options import read
from local.emulator.product import LambdaProduct
from local.progress import warn
from streaming_runtime.core.dotenv import load


def main(arguments: Sequence[str]) -> int:
    """Run everything; 0 when it was told to stop, 1 when it failed, 2 when it was asked wrongly."""
    follow_make(os.environ)
    try:
        options = read(arguments, os.environ, load(Path(".env")))
    except (*ASKED_WRONGLY, OSError) as problem:
        warn(str(problem))
        return 2
    return asyncio.run(supervise(LambdaProduct(options)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
