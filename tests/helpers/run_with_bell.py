"""`wfm` with the vendor `bell` beside the others, as a process of its own."""

import sys
from pathlib import Path

import wfm.vendors

wfm.vendors.__path__.append(str(Path(__file__).parent / "extra_vendors"))

from wfm.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
