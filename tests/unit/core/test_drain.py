"""A color that is to be stopped is given time for what it has in hand: WebSockets apart."""

from __future__ import annotations

import pytest
from model_site import NAME, Site

LIMITS = {"drain_seconds": 11, "upload_wait_seconds": 22, "websocket_seconds": 3}


def updated(site: Site, web_sockets: int) -> str:
    """What the log says of an update that found so many open."""
    site.document["update"] = LIMITS
    site.write()
    site.deploy()
    site.machine.web_sockets = web_sockets
    site.repository.commit()
    site.apply()
    return site.paths.log(NAME).read_text()


@pytest.mark.parametrize(
    ("web_sockets", "words"),
    [
        (4, "blue: 4 WebSockets ended when it was stopped"),
        (1, "blue: 1 WebSocket ended when it was stopped"),
    ],
)
def test_how_many_websockets_an_update_ended_is_logged(
    site: Site, web_sockets: int, words: str
) -> None:
    assert words in updated(site, web_sockets)


def test_requests_uploads_and_websockets_are_given_their_own_time(site: Site) -> None:
    log = updated(site, 0)
    assert site.machine.drained_within == ("11", "22", "3")
    assert "WebSocket" not in log
