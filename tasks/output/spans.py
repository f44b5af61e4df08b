"""How long something took or is ago, in the largest unit that says enough."""

from __future__ import annotations


def span(seconds: float) -> str:
    """`12 s`, `5 min`, `3 h`, `2 days`"""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds // 3600:.0f} h"
    return f"{seconds // 86400:.0f} days"
