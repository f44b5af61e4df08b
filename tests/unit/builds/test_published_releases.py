"""Published releases: which is taken, from where, and what becomes of every wrong answer."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from http.client import HTTPMessage
from pathlib import Path
from typing import Any
from urllib.request import Request

import pytest
from build_trees import Recorded, content, instance_of, release_of
from release_server import Answer, ReleaseServer, as_json, folders, release_zip, serving

from tasks.builds import artifact as store
from tasks.builds import ask, build, web
from tasks.builds import published as published_releases
from tasks.builds.digests import files_of
from tasks.builds.published import archive_url, choose, kind_of, parsed, settled, versions
from tasks.errors import BuildError, DeployError
from tasks.model import pins
from tasks.model.instance import Instance, Release
from tasks.paths import Paths

PROGRAM = Path("/bin/true").read_bytes()
KIND = kind_of()
V2 = "v2.5.0"


def archive(version: str, said: str | None = None) -> bytes:
    return release_zip(version, KIND, PROGRAM, said)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[ReleaseServer]:
    """Four versions in both places. Small answers are waited for half a second, archives one."""
    monkeypatch.setattr("tasks.builds.web.ANSWER_SECONDS", 0.5)
    monkeypatch.setattr("tasks.builds.web.SILENT_SECONDS", 1.0)
    with serving() as running:
        for version in ("v0.24.6", "v1.0.0", "v2.4.0", V2):
            running.publish(version, {KIND: archive(version)})
        yield running


def release_at(site: ReleaseServer, **given: Any) -> Release:
    addresses = {"mirror": site.mirror, "digests": site.digests}
    return release_of(**{**addresses, "version": V2, **given})


def deployed(site: ReleaseServer, paths: Paths, **given: Any) -> pins.Pin:
    """Plan and build as an apply does; the pin of what came out."""
    instance = instance_of(release=release_at(site, **given))
    chosen = resolved(instance, paths)
    made = build(chosen, None, paths)
    assert content(made.path, "backend/vikunja") == PROGRAM
    assert chosen.release is not None and made.version == chosen.release.version
    pin = pins.find(paths, made.version, KIND)
    assert pin is not None
    return pin


def resolved(instance: Instance, paths: Paths, serving: str | None = None) -> Instance:
    assert instance.release is not None
    answer = ask(instance, paths)
    return settled(instance, choose(instance.release, answer.published, serving).version)


# What is taken, where all is well


@pytest.mark.parametrize("version", ["v0.24.6", "v1.0.0", V2])
def test_a_version_is_enough(site: ReleaseServer, paths: Paths, version: str) -> None:
    pin = deployed(site, paths, version=version)
    folder = "0.24.6" if version == "v0.24.6" else version
    name = f"vikunja-{version}-linux-{KIND}-full.zip"
    assert (pin.version, pin.kind, pin.unchecked) == (version, KIND, "")
    assert pin.url == f"{site.mirror}/{folder}/{name}"
    assert pin.sha256 == digest(archive(version))
    # The digest is from the one place, the archive from the other.
    assert f"/download/{name}" not in site.asked


def test_a_channel_stands_for_its_newest(site: ReleaseServer, paths: Paths) -> None:
    assert deployed(site, paths, version=None, channel="stable").version == V2


def test_a_version_that_was_had_before_asks_nobody(site: ReleaseServer, paths: Paths) -> None:
    first = deployed(site, paths)
    site.answers.clear()
    site.asked.clear()
    assert deployed(site, paths) == first
    assert site.asked == []


def test_a_build_that_is_gone_from_the_cache_comes_again_only_as_it_was(
    site: ReleaseServer, paths: Paths
) -> None:
    first = deployed(site, paths)
    for file in (paths.cache / "artifacts").iterdir():
        file.unlink()
    site.asked.clear()
    assert deployed(site, paths) == first
    # The pin says what it is: nobody else is asked.
    assert site.asked == [f"/vikunja/{V2}/vikunja-{V2}-linux-{KIND}-full.zip"]


def test_a_build_whose_pin_is_gone_is_compared_as_for_the_first_time(
    site: ReleaseServer, paths: Paths
) -> None:
    first = deployed(site, paths)
    paths.pins.unlink()
    changed = release_zip(V2, KIND, PROGRAM + b"more")
    site.publish(V2, {KIND: changed})
    chosen = instance_of(release=release_at(site))
    made = build(chosen, None, paths)
    assert content(made.path, "backend/vikunja") == PROGRAM + b"more"
    assert [pin.sha256 for pin in pins.read(paths)] == [digest(changed)]

    # One of another machine's cache, or of before.
    pins_of_another = json.loads(paths.pins.read_text())
    pins_of_another["archives"][0]["sha256"] = first.sha256
    paths.pins.write_text(json.dumps(pins_of_another))
    assert store.find(paths, store.artifact_key(chosen, None)) is None
    with pytest.raises(BuildError, match="has changed"):
        build(chosen, None, paths)


def test_a_channel_asks_for_the_index_alone(site: ReleaseServer, paths: Paths) -> None:
    instance = instance_of(release=release_at(site, version=None, channel="stable"))
    assert ask(instance, paths).published == (V2, "v2.4.0", "v1.0.0", "v0.24.6")
    assert site.asked == ["/vikunja/"]


@pytest.mark.parametrize(
    "listing",
    [
        [{"name": "v2.4.0", "type": "directory"}, {"name": "v2.10.0", "type": "directory"}],
        [{"name": "v2.4.0/", "is_dir": True}, {"name": "v2.10.0/", "is_dir": True}],
        {"folders": [{"name": "v2.4.0"}, {"name": "unstable"}, {"name": "v2.10.0"}], "files": []},
        {"folders": [{"name": "2.4.0"}, {"name": "main"}, {"name": "2.10.0"}, {}, 7]},
    ],
    ids=["nginx", "Caddy", "Vikunja", "without the v, and with nonsense between"],
)
def test_an_index_is_read_as_each_server_gives_it(site: ReleaseServer, listing: object) -> None:
    site.answers["/vikunja/"] = as_json(listing)
    assert versions(release_at(site)) == ("v2.10.0", "v2.4.0")


@pytest.mark.parametrize(
    ("machine", "kind"), [("x86_64", "amd64"), ("aarch64", "arm64"), ("armv7l", "arm-7")]
)
def test_archives_are_named_for_the_machine_s_kind_of_processor(machine: str, kind: str) -> None:
    assert kind_of(machine) == kind
    url = archive_url("https://dl.vikunja.io/vikunja/", V2, kind)
    assert url == f"https://dl.vikunja.io/vikunja/v2.5.0/vikunja-v2.5.0-linux-{kind}-full.zip"


def test_a_kind_of_processor_that_nothing_is_published_for_says_what_to_do() -> None:
    with pytest.raises(BuildError, match=r"no release is published .* riscv64") as caught:
        kind_of("riscv64")
    assert "git" in caught.value.hint


# Which version a channel stands for


@pytest.mark.parametrize(
    ("there", "serving", "major", "version", "newer"),
    [
        ("v2.4.0 v2.5.0", None, "ask", "v2.5.0", None),
        ("v2.4.0 v2.5.0", "v2.4.0", "ask", "v2.5.0", None),
        ("v2.9.0 v2.10.0", "v2.9.0", "ask", "v2.10.0", None),
        ("v2.5.0 v2.6.0-rc1", "v2.4.0", "ask", "v2.5.0", None),
        ("v2.5.0 v3.0.0-rc1", "v2.4.0", "follow", "v2.5.0", None),
        ("v2.5.0 v3.0.0", "v2.4.0", "ask", "v2.5.0", "v3.0.0"),
        ("v2.5.0 v3.0.0", "v2.5.0", "ask", "v2.5.0", "v3.0.0"),
        ("v2.5.0 v3.0.0", "v2.4.0", "follow", "v3.0.0", None),
        ("v2.5.0 v3.0.0", None, "ask", "v3.0.0", None),
        ("v0.24.6 v1.0.0", "v0.24.6", "ask", "v0.24.6", "v1.0.0"),
        ("v2.5.0 v3.0.0 v4.0.0", "v3.0.0", "ask", "v3.0.0", "v4.0.0"),
        # What was built from git is no reason for another major either.
        ("v2.5.0 v3.0.0", "v2.4.0-12-g0123456789", "ask", "v2.5.0", "v3.0.0"),
        ("v2.5.0 v3.0.0", "unknown", "ask", "v3.0.0", None),
        # A release that was taken back: what serves stays.
        ("v2.4.0", "v2.5.0", "ask", "v2.5.0", None),
        ("v3.0.0", "v2.5.0", "ask", "v2.5.0", "v3.0.0"),
    ],
)
def test_a_channel_stands_for(
    there: str, serving: str | None, major: str, version: str, newer: str | None
) -> None:
    listed = tuple(sorted(there.split(), key=parsed, reverse=True))
    release = release_of(channel="stable", major=major)
    choice = choose(release, listed, serving, stays=True)
    assert (choice.version, choice.newer) == (version, newer)


def test_what_was_built_from_git_is_gone_back_from_where_a_channel_is_older() -> None:
    release = release_of(channel="stable")
    assert choose(release, ("v2.4.0",), "v2.5.0", stays=False).version == "v2.4.0"


def test_what_was_built_from_git_goes_to_no_other_major_by_itself() -> None:
    with pytest.raises(BuildError, match="no release of the major version that serves") as caught:
        choose(release_of(channel="stable"), ("v3.0.0",), "v2.5.0-1-g0123456789")
    assert caught.value.hint == "release.version: v3.0.0, or release.major: follow, takes v3.0.0"


# Wrong answers

INDEX, LIST = "/vikunja/", "/api/repos/go-vikunja/vikunja/releases?per_page=100"
SAID = f"/api/repos/go-vikunja/vikunja/releases/tags/{V2}"
ZIP = f"/vikunja/{V2}/vikunja-{V2}-linux-{KIND}-full.zip"
OTHER = f"/download/vikunja-{V2}-linux-{KIND}-full.zip"
Break = Callable[[ReleaseServer], None]


def at(path: str, answer: Answer) -> Break:
    def broken(site: ReleaseServer) -> None:
        site.answers[path] = answer

    return broken


def both(*breaks: Break) -> Break:
    def broken(site: ReleaseServer) -> None:
        for one in breaks:
            one(site)

    return broken


def said(**changes: object) -> Break:
    return lambda site: site.edit(V2, **changes)


GONE, TROUBLE = Answer(b"", 404), Answer(b"", 503)
SLOW = Answer(b"xx", slow=True)
NO_JSON = Answer(b"<html>")
PLAIN = Answer(b"", 302, to="ftp://127.0.0.1/v.zip")
ENDLESS = Answer(b"", 302, to=ZIP)
FOREIGN = release_zip(V2, KIND, PROGRAM[:18] + b"\xff\x00" + PROGRAM[20:])
WRONG_INSIDE = archive(V2, "0" * 64)

REFUSED: list[tuple[str, dict[str, Any], Break, int, str]] = [
    (
        "the two places differ",
        {},
        said(digest=f"sha256:{'0' * 64}"),
        9,
        f"MIRROR/{V2}/NAME: the archive's SHA-256 is DIGEST, API says {'0' * 64}",
    ),
    (
        "the archive is cut",
        {},
        both(at(ZIP, Answer(archive(V2), cut=100)), at(OTHER, GONE)),
        9,
        "SITE/download/NAME: the server answers 404 Not Found",
    ),
    (
        "the archive is cut and there is no other place",
        {"digests": "none"},
        at(ZIP, Answer(archive(V2), cut=100)),
        6,
        f"MIRROR/{V2}/NAME: no archive of {V2} for KIND can be had: the download broke off after "
        "100 of SIZE bytes; release.digests is none",
    ),
    (
        "the program is not what the archive says",
        {},
        both(at(ZIP, Answer(WRONG_INSIDE)), said(digest=f"sha256:{digest(WRONG_INSIDE)}")),
        9,
        f"MIRROR/{V2}/NAME: the program's SHA-256 is PROGRAM, the archive says {'0' * 64}",
    ),
    (
        "the program is for another kind of processor",
        {},
        both(at(ZIP, Answer(FOREIGN)), said(digest=f"sha256:{digest(FOREIGN)}")),
        9,
        "vikunja is a program for another kind of processor (ELF machine 255)",
    ),
    (
        "it is no archive",
        {"digests": "none"},
        at(ZIP, Answer(b"<html>")),
        9,
        f"MIRROR/{V2}/NAME: the release is no zip, tar or program that can be read: "
        "file could not be opened successfully",
    ),
    (
        "a redirect leads out of the web",
        {"digests": "none"},
        at(ZIP, PLAIN),
        9,
        f"MIRROR/{V2}/NAME: no archive of {V2} for KIND can be had: the server redirects to "
        "ftp://127.0.0.1/v.zip, which is followed only to https; release.digests is none",
    ),
    (
        "a redirect leads to itself",
        {"digests": "none"},
        at(ZIP, ENDLESS),
        9,
        f"MIRROR/{V2}/NAME: no archive of {V2} for KIND can be had: the server redirects on and "
        "on; release.digests is none",
    ),
    (
        "no such version",
        {"version": "v2.5.1"},
        at("", GONE),
        9,
        "no release v2.5.1 is published",
    ),
    (
        "no such architecture",
        {},
        both(at(ZIP, GONE), said(name=f"vikunja-{V2}-linux-OTHER-full.zip")),
        9,
        f"MIRROR/{V2}/NAME: no archive of {V2} for KIND can be had: the server answers 404 Not "
        f"Found; API/releases/tags/{V2}: for KIND there is none, only OTHER",
    ),
    (
        "neither place has the archive",
        {},
        both(at(ZIP, GONE), at(SAID, GONE)),
        9,
        f"MIRROR/{V2}/NAME: no archive of {V2} for KIND can be had: the server answers 404 Not "
        f"Found; API/releases/tags/{V2}: the server answers 404 Not Found",
    ),
    (
        "both have trouble",
        {},
        both(at(INDEX, TROUBLE), at(LIST, TROUBLE)),
        6,
        "which releases there are cannot be asked: MIRROR/: the server answers 503 Service "
        "Unavailable; API/releases: the server answers 503 Service Unavailable",
    ),
    (
        "both are slow",
        {"version": None, "channel": "stable"},
        both(at(INDEX, SLOW), at(LIST, SLOW)),
        6,
        "which releases there are cannot be asked: MIRROR/: cannot be downloaded: the server was "
        "waited for, and sent nothing for 0.5 s; API/releases: cannot be downloaded: the server "
        "was waited for, and sent nothing for 0.5 s",
    ),
    (
        "neither gives JSON",
        {"version": None, "channel": "stable"},
        both(at(INDEX, NO_JSON), at(LIST, NO_JSON)),
        9,
        "which releases there are cannot be asked: MIRROR/: the answer is no JSON; "
        "API/releases: the answer is no JSON",
    ),
    (
        "the index breaks off",
        {"digests": "none"},
        at(INDEX, Answer(b"[{}, {}, {}]", cut=4)),
        6,
        "MIRROR/: the answer broke off after 4 of 12 bytes",
    ),
    (
        "the index drips",
        {"digests": "none"},
        at(INDEX, Answer(b" " * 100, drips=True)),
        6,
        "MIRROR/: the answer was not whole after 0.5 s",
    ),
    (
        "both give JSON of another kind",
        {"version": None, "channel": "stable"},
        both(at(INDEX, as_json({"error": "x"})), at(LIST, as_json({"message": "x"}))),
        9,
        "which releases there are cannot be asked: MIRROR/: the answer is no index of releases; "
        "API/releases: the answer is no list of releases",
    ),
    (
        "the index has nothing but candidates",
        {"version": None, "channel": "stable"},
        at(INDEX, folders("v3.0.0-rc1", "unstable")),
        9,
        "stable has no release",
    ),
]


@pytest.mark.parametrize(
    ("given", "broken", "code", "message"),
    [case[1:] for case in REFUSED],
    ids=[case[0] for case in REFUSED],
)
def test_a_wrong_answer_is_one_line_and_leaves_nothing(
    site: ReleaseServer,
    paths: Paths,
    given: dict[str, Any],
    broken: Break,
    code: int,
    message: str,
) -> None:
    other = next(kind for kind in published_releases.KINDS.values() if kind != KIND)
    broken(site)
    site.answers[SAID].body = site.answers[SAID].body.replace(b"OTHER", other.encode())
    with pytest.raises(DeployError) as caught:
        deployed(site, paths, **given)
    words = {
        "MIRROR": site.mirror,
        "API": site.digests,
        "SITE": site.address,
        "NAME": f"vikunja-{V2}-linux-{KIND}-full.zip",
        "DIGEST": digest(archive(V2)),
        "PROGRAM": digest(PROGRAM),
        "SIZE": str(len(archive(V2))),
        "KIND": KIND,
        "OTHER": other,
    }
    for word, meaning in words.items():
        message = message.replace(word, meaning)
    assert str(caught.value) == message
    assert caught.value.exit_code == code
    assert caught.value.hint
    assert not paths.pins.exists()
    assert not list((paths.cache / "artifacts").glob("*.tar"))


TAKEN: list[tuple[str, dict[str, Any], Break, str]] = [
    (
        "the index has trouble",
        {"version": None, "channel": "stable"},
        at(INDEX, TROUBLE),
        "",
    ),
    ("the index is slow", {"version": None, "channel": "stable"}, at(INDEX, SLOW), ""),
    ("the index is no JSON", {}, at(INDEX, NO_JSON), ""),
    (
        "the second place has trouble",
        {},
        at(SAID, TROUBLE),
        f"API/releases/tags/{V2}: the server answers 503 Service Unavailable",
    ),
    (
        "the second place is slow",
        {},
        at(SAID, SLOW),
        f"API/releases/tags/{V2}: cannot be downloaded: the server was waited for, and sent "
        "nothing for 0.5 s",
    ),
    (
        "the second place does not know it",
        {},
        at(SAID, GONE),
        f"API/releases/tags/{V2}: the server answers 404 Not Found",
    ),
    (
        "the second place has no digest",
        {},
        said(digest=None),
        f"API/releases/tags/{V2}: no digest of NAME",
    ),
    (
        "the second place has a digest of another kind",
        {},
        said(digest="md5:0123"),
        f"API/releases/tags/{V2}: no digest of NAME",
    ),
    ("there is no second place", {"digests": "none"}, at("", GONE), "release.digests is none"),
    (
        "the mirror does not have it",
        {},
        at(ZIP, GONE),
        f"MIRROR/{V2}/NAME: the server answers 404 Not Found, so the archive and its SHA-256 are "
        "from one place",
    ),
    (
        "the mirror breaks off",
        {},
        at(ZIP, Answer(archive(V2), cut=100)),
        f"MIRROR/{V2}/NAME: the download broke off after 100 of SIZE bytes, so the archive and its "
        "SHA-256 are from one place",
    ),
    ("a redirect within the web", {}, both(at(ZIP, Answer(b"", 302, to=OTHER))), ""),
]


@pytest.mark.parametrize(
    ("given", "broken", "unchecked"),
    [case[1:] for case in TAKEN],
    ids=[case[0] for case in TAKEN],
)
def test_where_one_place_does_not_answer_the_other_does_and_it_is_said(
    site: ReleaseServer, paths: Paths, given: dict[str, Any], broken: Break, unchecked: str
) -> None:
    broken(site)
    pin = deployed(site, paths, **given)
    words = {
        "MIRROR": site.mirror,
        "API": site.digests,
        "NAME": f"vikunja-{V2}-linux-{KIND}-full.zip",
        "SIZE": str(len(archive(V2))),
    }
    for word, meaning in words.items():
        unchecked = unchecked.replace(word, meaning)
    assert pin.unchecked == unchecked
    assert pin.sha256 == digest(archive(V2))


@pytest.mark.parametrize(
    ("url", "to", "followed"),
    [
        ("https://dl.vikunja.io/a", "https://objects.example.com/a", True),
        ("http://mirror.lan/a", "http://mirror.lan/b", True),
        ("http://mirror.lan/a", "https://mirror.lan/a", True),
        ("https://dl.vikunja.io/a", "http://dl.vikunja.io/a", False),
        ("https://dl.vikunja.io/a", "file:///etc/passwd", False),
        ("http://mirror.lan/a", "ftp://mirror.lan/a?key=secret", False),
    ],
)
def test_a_redirect_is_followed_to_https_and_from_http_to_http(
    url: str, to: str, followed: bool
) -> None:
    handler = web.Redirects()
    request, headers = Request(url), HTTPMessage()
    if followed:
        again = handler.redirect_request(request, None, 302, "Found", headers, to)
        assert again.full_url == to
        return
    with pytest.raises(BuildError, match="which is followed only to https") as caught:
        handler.redirect_request(request, None, 302, "Found", headers, to)
    assert caught.value.where == url
    assert "secret" not in str(caught.value)


def test_an_archive_that_has_changed_under_its_name_is_refused(
    site: ReleaseServer, paths: Paths
) -> None:
    first = deployed(site, paths)
    for file in (paths.cache / "artifacts").iterdir():
        file.unlink()
    changed = release_zip(V2, KIND, PROGRAM + b"more")
    site.publish(V2, {KIND: changed})
    with pytest.raises(BuildError) as caught:
        deployed(site, paths)
    assert caught.value.what == (
        f"the archive of {V2} has changed: its SHA-256 is {digest(changed)}, on {first.at[:10]} it "
        f"was {first.sha256}"
    )
    assert str(paths.pins) in caught.value.hint
    assert pins.read(paths) == (first,)


def test_an_archive_from_the_second_place_is_compared_with_the_pin_as_well(
    site: ReleaseServer, paths: Paths
) -> None:
    deployed(site, paths)
    for file in (paths.cache / "artifacts").iterdir():
        file.unlink()
    site.answers[ZIP] = TROUBLE
    site.answers[OTHER] = Answer(archive("v2.4.0"))
    with pytest.raises(BuildError, match="has changed"):
        deployed(site, paths)
    site.answers[OTHER] = Answer(archive(V2))
    assert deployed(site, paths).version == V2


def test_candidates_of_the_second_place_are_no_release_of_a_channel(
    site: ReleaseServer, paths: Paths
) -> None:
    site.answers[INDEX] = TROUBLE
    listed = json.loads(site.answers[LIST].body)
    listed += [
        {"tag_name": "v2.7.0", "prerelease": True, "assets": []},
        {"tag_name": "v2.8.0", "draft": True, "assets": []},
    ]
    site.answers[LIST] = as_json(listed)
    assert versions(release_at(site, version=None, channel="stable"))[0] == V2
    # Who names it may have it, but for what only its maker sees.
    assert versions(release_at(site, version="v2.7.0"))[0] == "v2.7.0"


@pytest.mark.parametrize(
    "answer",
    [TROUBLE, NO_JSON, as_json({"message": "Not Found"}), SLOW],
    ids=["trouble", "no JSON", "no list", "slow"],
)
def test_files_of_a_version_that_nobody_lists_are_not_known(
    site: ReleaseServer, answer: Answer
) -> None:
    path = f"/api/repos/go-vikunja/vikunja/contents/pkg/migration?ref={V2}"
    site.answers[path] = answer
    assert files_of(release_at(site), V2, "pkg/migration") is None
    # Once somebody does, they stay as they are.
    site.holds(V2, "20250101000000")
    known = files_of(release_at(site), V2, "pkg/migration")
    assert known == ("migration.go", "20250101000000.go")
    site.answers[path] = answer
    assert files_of(release_at(site), V2, "pkg/migration") == known
    assert files_of(release_at(site, digests="none"), V2, "pkg/migration") is None


def test_a_damaged_record_of_pins_is_not_taken_for_none(site: ReleaseServer, paths: Paths) -> None:
    paths.pins.parent.mkdir(parents=True)
    paths.pins.write_text('{"archives": [{"version": "v2.5.0"}]}')
    with pytest.raises(DeployError, match="is damaged") as caught:
        deployed(site, paths)
    assert caught.value.where == str(paths.pins)


def test_pins_of_two_versions_stand_beside_each_other(site: ReleaseServer, paths: Paths) -> None:
    deployed(site, paths, version="v2.4.0")
    deployed(site, paths)
    assert [pin.version for pin in pins.read(paths)] == ["v2.4.0", V2]
    again = pins.read(paths)[0]
    pins.add(paths, again)
    assert len(pins.read(paths)) == 2


def test_a_build_says_that_the_other_place_had_to_do(site: ReleaseServer, paths: Paths) -> None:
    site.answers[ZIP] = TROUBLE
    progress = Recorded()
    build(instance_of(release=release_at(site)), None, paths, progress)
    assert any(text.endswith(f"taken from {site.address}{OTHER}") for text in progress.texts)


def test_this_machine_s_archive_is_the_one_that_is_taken() -> None:
    assert published_releases.KINDS[os.uname().machine] == KIND
