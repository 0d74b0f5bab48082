"""``python -m local.emulator.budget``: what ``make budget`` runs."""

import os
import sys

from local.children import follow_make
from local.emulator.measured_table import main

if __name__ == "__main__":
    follow_make(os.environ)
    sys.exit(main(sys.argv[1:]))
