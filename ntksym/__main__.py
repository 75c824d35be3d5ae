"""``python -m ntksym``."""

import sys

from ntksym.cli import main

if __name__ == "__main__":
    sys.exit(main())
