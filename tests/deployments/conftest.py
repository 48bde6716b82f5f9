"""The stack of the end-to-end tests, beside which others are deployed."""

from tests.e2e.conftest import stack

__all__ = ["stack"]
