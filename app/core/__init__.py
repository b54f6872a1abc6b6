"""The kernel: what every feature stands on. It knows no feature."""

from app.core import lean

lean.install()  # before any library is imported
