"""``python -m local`` as it is, but with stand-ins for API and processing."""

import sys

from local.__main__ import main

COMMANDS = {part: ["-m", "tests.local.fake_child", part] for part in ("api", "processing")}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], COMMANDS))
