"""Runs of several minutes on a local stack of their own, deployed as for tests/e2e."""

from tests.e2e.conftest import stack

__all__ = ["stack"]
