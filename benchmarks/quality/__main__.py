"""`python benchmarks/quality`."""

import sys
from pathlib import Path

# Python puts this folder on the path, but the package lies in the one above, beside record.py.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from quality.program import main  # noqa: E402

sys.exit(main())
