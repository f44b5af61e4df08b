"""Tickets of the stand-in, as proxmoxer and others use them; and what tokens do not need of it."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from proxmoxer import ProxmoxAPI
from proxmoxer.backends.https import AuthenticationError
from pve import tickets
from pve.cluster import Token
from pve.place import SECRET, USER, Place

LOGIN = {"username": "root@pam", "password": "correct horse"}


@pytest.fixture
def users(place: Place) -> Place:
    place.cluster.users = {
        "root@pam": Token("correct horse"),
        "audit@pve": Token("battery", {"/": frozenset({"VM.Audit"})}),
    }
    return place


def ask(
    place: Place, method: str, path: str, given: dict[str, Any], **headers: str
) -> tuple[int, str, Any]:
    """Status, its text, and the answer's data."""
    context = ssl.create_default_context(cafile=str(place.certificate.file))
    connection = http.client.HTTPSConnection("localhost", place.port, context=context)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    query = f"?{urlencode(given)}" if method in ("GET", "DELETE") else ""
    body = "" if query else urlencode(given)
    connection.request(method, f"/api2/json{path}{query}", body, named)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, response.reason, answer["data"]


def login(place: Place, **changes: str) -> dict[str, str]:
    """Headers of a login: the cookie alone, and with it what a change needs."""
    status, _, data = ask(place, "POST", "/access/ticket", {**LOGIN, **changes})
    assert status == 200
    return {
        "Cookie": f"PVEAuthCookie={quote(data['ticket'], safe='')}",
        "CSRFPreventionToken": data["CSRFPreventionToken"],
    }


def proxmoxer(place: Place, **changes: str) -> Any:
    named = {"user": "root@pam", "password": "correct horse", **changes}
    certificate = str(place.certificate.file)
    return ProxmoxAPI("localhost", port=str(place.port), verify_ssl=certificate, **named)


def test_proxmoxer_logs_in_reads_and_changes(users: Place) -> None:
    api = proxmoxer(users)
    assert api.version.get()["version"].startswith(f"{users.cluster.version}.")
    upid = api.nodes("pve").lxc.post(
        vmid=100, ostemplate="local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst",
        rootfs="local-lvm:8",
    )  # fmt: skip
    assert upid.endswith(":vzcreate:100:root@pam:")


def test_a_ticket_is_renewed_by_itself(users: Place) -> None:
    api = proxmoxer(users)
    first = api.get_tokens()[0]
    assert ask(users, "POST", "/access/ticket", {**LOGIN, "password": first})[0] == 200
    forged = f"{first[:-1]}{'0' if first[-1] != '0' else '1'}"
    users.cluster.pause = lambda _: None
    assert ask(users, "POST", "/access/ticket", {**LOGIN, "password": forged})[0] == 401


@pytest.mark.parametrize(
    "changes", [{"password": "wrong"}, {"username": "nobody@pam"}, {"username": "root@pve"}]
)
def test_a_wrong_password_is_refused_after_three_seconds(
    users: Place, changes: dict[str, str]
) -> None:
    pauses: list[float] = []
    users.cluster.pause = pauses.append
    found = ask(users, "POST", "/access/ticket", {**LOGIN, **changes})
    assert found == (401, "authentication failure", None)
    assert pauses == [3]
    with pytest.raises(AuthenticationError):
        proxmoxer(users, password="wrong")


def test_the_realm_may_be_given_apart(users: Place) -> None:
    given = {"username": "root", "realm": "pam", "password": "correct horse"}
    assert ask(users, "POST", "/access/ticket", given)[2]["username"] == "root@pam"


def test_a_change_needs_the_token_against_forged_requests_beside_the_cookie(users: Place) -> None:
    headers = login(users)
    cookie = {"Cookie": headers["Cookie"]}
    assert ask(users, "GET", "/cluster/nextid", {}, **cookie) == (200, "OK", "100")
    job = {"id": "100-0", "type": "local", "target": "pve2"}
    refused = (401, "Permission denied - invalid csrf token", None)
    assert ask(users, "POST", "/cluster/replication", job, **cookie) == refused
    other = {**cookie, "CSRFPreventionToken": login(users, **AUDIT)["CSRFPreventionToken"]}
    assert ask(users, "POST", "/cluster/replication", job, **other) == refused
    assert users.cluster.replication == {}
    assert ask(users, "POST", "/cluster/replication", job, **headers)[0] == 200
    assert list(users.cluster.replication) == ["100-0"]


AUDIT = {"username": "audit@pve", "password": "battery"}


def test_a_call_without_a_ticket_or_with_a_wrong_one_is_refused(users: Place) -> None:
    assert ask(users, "GET", "/version", {}) == (401, "No ticket", None)
    invalid = (401, "permission denied - invalid PVE ticket", None)
    cookie = login(users)["Cookie"]
    assert ask(users, "GET", "/version", {}, Cookie=cookie[:-2]) == invalid
    assert ask(users, "GET", "/version", {}, Cookie="PVEAuthCookie=PVE:root@pam") == invalid
    del users.cluster.users["root@pam"]
    assert ask(users, "GET", "/version", {}, Cookie=cookie) == invalid


def test_a_ticket_ends_after_two_hours(users: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = login(users)
    now = time.time()

    class Clock:
        time = staticmethod(lambda: now + 7201)

    monkeypatch.setattr(tickets, "time", Clock)
    assert ask(users, "GET", "/version", {}, **headers)[0] == 401


def test_a_user_may_what_their_rights_say(users: Place) -> None:
    headers = login(users, **AUDIT)
    given = {"sid": "ct:100"}
    found = ask(users, "POST", "/cluster/ha/resources", given, **headers)
    assert found == (403, "Permission check failed (/, Sys.Console)", None)


def test_a_token_needs_neither_cookie_nor_the_other_header(users: Place) -> None:
    named = {"Authorization": f"PVEAPIToken={USER}={SECRET}"}
    job = {"id": "100-0", "type": "local", "target": "pve2"}
    assert ask(users, "POST", "/cluster/replication", job, **named)[0] == 200
    wrong = {"Authorization": f"PVEAPIToken={USER}=x"}
    assert ask(users, "GET", "/version", {}, **wrong) == (401, "authentication failure", None)
