"""`python -m ondol`, the same as the command `ondol`."""

import sys

from ondol.cli import main

if __name__ == "__main__":
    sys.exit(main())
