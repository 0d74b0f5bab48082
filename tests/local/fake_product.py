"""``python -m local`` as it is, but with stand-ins for API and processing."""

import os
import sys

from local import composition
from local.command import main

COMMANDS = {part: ["-m", "tests.local.fake_child", part] for part in ("api", "processing")}

if __name__ == "__main__":
    composition.READY_SECONDS = float(os.environ.get("FAKE_READY_SECONDS", "60"))
    sys.exit(main(sys.argv[1:], COMMANDS))
