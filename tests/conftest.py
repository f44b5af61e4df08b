"""What all tests share."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Tests interrupt programs as Ctrl-C does. A shell's background job ignores SIGINT, and so
    would all programs that are started from it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
