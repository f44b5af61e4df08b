"""What holds for all tests: none judges how long something takes, and all may interrupt."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

pytest_plugins = ("whole_suite", "left_behind", "shared_containers")

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_configure() -> None:
    """Tests interrupt programs as Ctrl-C does. A shell's background job ignores SIGINT, and so
    would all programs that are started from it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
