"""``python -m app.partners.agora.sandbox``."""

import sys

from app.partners.agora.sandbox.cli import main

if __name__ == "__main__":
    sys.exit(main())
