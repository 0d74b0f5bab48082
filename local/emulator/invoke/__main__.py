"""``python -m local.emulator.invoke send event.json``: what ``make invoke`` runs."""

import os
import sys

from local.emulator.one_call import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
