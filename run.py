#!/usr/bin/env python3
"""The one command of the portal: ``python run.py`` starts everything; ``python run.py help`` lists the rest."""

import sys

if sys.version_info < (3, 11):
    import os
    import shutil
    import subprocess

    for name in ("python3.12", "python3.11", "python3.13", "python3.14"):
        found = shutil.which(name)
        if found and subprocess.call([found, "-c", "import ensurepip"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0:
            os.execv(found, [found] + sys.argv)
    sys.exit("Le portail demande Python 3.11 ou plus recent ; installez-le, puis relancez avec lui : python3.12 run.py")

from launcher.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
