"""What fields of records hold, as reading checks it and the schemas of `schemas/` say it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

END = r"$(?!\n)"
"""Of a pattern, for Python and for the schemas alike: `$` alone lets a line break after it pass in
Python, and what else Python has for it is unknown to JavaScript, whose patterns schemas have."""

Text = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0)]
InstanceId = Annotated[str, Meta(pattern=f"^[A-Za-z0-9]([A-Za-z0-9-]{{0,54}}[A-Za-z0-9])?{END}")]
"""As in the configuration, where it has 50 characters at most; a drill's has six more."""
ContainerId = Annotated[int, Meta(ge=100, le=999_999_999)]
"""Proxmox VE's number of a container."""
Commit = Annotated[str, Meta(pattern=f"^[0-9a-f]+{END}")]
Sha256 = Annotated[str, Meta(pattern=f"^[0-9a-f]{{64}}{END}")]
_SECOND = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
Time = Annotated[str, Meta(pattern=rf"^{_SECOND}(Z|[+-]\d\d:\d\d){END}")]
"""ISO 8601 with zone, whole seconds."""
UtcTime = Annotated[str, Meta(pattern=f"^{_SECOND}Z{END}")]
"""ISO 8601, UTC, whole seconds."""
