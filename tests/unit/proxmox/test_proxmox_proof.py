"""Whose a container of Proxmox VE is: what tag, notes, marker and the registry say."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tasks.containers.base import NOT_RECORDED, RECORDED, ContainerSpec, Refusal
from tasks.containers.proxmox.desired import DesiredProxmox
from tasks.containers.proxmox.guests import Guest, choose
from tasks.containers.proxmox.proof import Proof
from tasks.containers.proxmox.properties import notes_of, with_proof
from tasks.errors import ResourceError
from tasks.model.registry import Registered

NAME = "vikunja-main"
TAG = f"vikunja-deploy.{NAME}"
IDENTITY, OTHER = (f"{one}1111111-2222-3333-4444-555555555555" for one in "ab")
NOTES = f"vikunja-deploy: {NAME}\nmade from: debian-13-standard\nidentity: {IDENTITY}\n"
BY_HAND = "Our tasks. Ask Ann.\n"
ENTRY = Registered(
    instance_id=NAME,
    driver="proxmox",
    node="pve",
    container_id=100,
    container_name=NAME,
    ip_address="192.0.2.10/24",
    domain="tasks.example.com",
    created_at="2026-01-01T00:00:00Z",
    config="/etc/vikunja-deploy/main.yaml",
    identity=IDENTITY,
)
WHOLE = Proof(100, NAME, {"tags": f"{TAG};web", "description": NOTES}, ENTRY, NAME)


def without(*lost: str, recorded: Registered | None = ENTRY) -> Proof:
    config = dict(WHOLE.config)
    if "tag" in lost:
        config["tags"] = "web"
    if "notes" in lost:
        config["description"] = BY_HAND
    marker = "" if "marker" in lost else NAME
    return replace(WHOLE, config=config, marker=marker, recorded=recorded)


def what_is_missing(proof: Proof) -> str:
    lost = proof.missing("pve")
    assert isinstance(lost, str)
    return lost


def refusal(proof: Proof) -> Refusal:
    """That nothing is adopted, and why."""
    lost = proof.missing("pve")
    assert isinstance(lost, Refusal)
    assert "remove" not in lost.hint
    return lost


def test_where_all_agree_there_is_nothing_to_put_back() -> None:
    assert WHOLE.doubt() is None
    assert WHOLE.missing("pve") is None
    assert WHOLE.noted == RECORDED


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ("tag", "its tag is missing, its notes are there, its marker is there"),
        ("notes", "its tag is there, its notes are missing, its marker is there"),
        ("marker", "its tag is there, its notes are there, its marker is missing"),
    ],
)
def test_one_of_three_that_is_missing_is_named_and_put_back(lost: str, said: str) -> None:
    doubt = without(lost).doubt()
    assert doubt is not None
    assert doubt.what == f"container 100 exists and is not proven ours: {said}"
    assert f"./doit apply --adopt {NAME}" in doubt.hint
    assert "remove" not in doubt.hint
    assert what_is_missing(without(lost)) == f"container 100 gets its {lost} back"


@pytest.mark.parametrize("lost", [("tag", "notes"), ("tag", "marker"), ("notes", "marker")])
def test_one_of_three_that_is_there_is_too_little(lost: tuple[str, ...]) -> None:
    assert "the registry has container 100" in refusal(without(*lost)).what


def test_two_of_three_are_too_little_where_the_registry_says_otherwise() -> None:
    assert "registry has no container" in refusal(without("notes", recorded=None)).what
    other = replace(ENTRY, container_id=101)
    assert "the registry has container 101" in refusal(without("tag", recorded=other)).what
    anew = replace(ENTRY, identity=OTHER)
    refusal(without("tag", recorded=anew))


@pytest.mark.parametrize(
    "config",
    [
        {"tags": "vikunja-deploy.vikunja-other", "description": NOTES},
        {"tags": TAG, "description": "vikunja-deploy: vikunja-other\n"},
        {"tags": TAG, "description": f"{NOTES}vikunja-deploy: vikunja-other\n"},
    ],
)
def test_what_names_another_instance_is_nobodys_to_take(config: dict[str, str]) -> None:
    found = replace(WHOLE, config=config)
    assert "another's" in refusal(found).what
    assert "is left as it is" in (found.doubt() or refusal(found)).hint
    assert "names another" in refusal(replace(WHOLE, marker="vikunja-other")).hint


def test_a_stopped_container_is_asked_for_its_marker_first() -> None:
    stopped = replace(without("notes"), marker=None)
    assert "its marker is not known" in refusal(stopped).what
    assert "`pct start 100` on node pve" in refusal(stopped).hint
    # One that has tag and notes is ours: its marker is asked for by the first program in it.
    assert replace(WHOLE, marker=None).doubt() is None


def test_a_clone_is_told_by_its_id_and_named_with_the_recorded_one() -> None:
    clone = replace(WHOLE, vmid=101)
    assert clone.owner is None
    doubt = clone.doubt()
    assert doubt is not None
    assert doubt.what == (
        "container 101 is not proven ours: the recorded one of vikunja-main is 100, so this is a "
        "clone of it, or it restored under another id"
    )
    assert f"./doit apply --adopt {NAME}" in doubt.hint
    assert what_is_missing(clone) == "container 101 becomes the recorded one, for 100"


def test_another_life_under_the_same_id_is_a_doubt_that_adopting_settles() -> None:
    anew = replace(WHOLE, config={**WHOLE.config, "description": NOTES.replace(IDENTITY, OTHER)})
    doubt = anew.doubt()
    assert doubt is not None
    assert f"was made as {OTHER}, and the recorded one of {NAME} as {IDENTITY}" in doubt.what
    assert what_is_missing(anew) == "container 100 becomes the recorded one, for 100"


def test_what_was_made_before_there_were_identities_is_ours_and_gets_one() -> None:
    old = NOTES.replace(f"identity: {IDENTITY}\n", "")
    before = replace(
        WHOLE,
        config={**WHOLE.config, "description": old},
        recorded=replace(ENTRY, identity=None),
    )
    # As it is where an older vzdump was restored, too.
    for found in (before, replace(before, recorded=ENTRY), replace(before, recorded=None)):
        assert found.doubt() is None
        assert found.noted == NOT_RECORDED
    assert replace(WHOLE, recorded=replace(ENTRY, identity=None)).noted == NOT_RECORDED
    assert replace(WHOLE, recorded=None).noted == RECORDED


def test_one_that_never_ran_is_ours_by_its_notes() -> None:
    made = replace(WHOLE, config={"description": notes_of(NAME, "debian-13-standard", IDENTITY)})
    assert replace(made, marker=None).doubt() is None


def test_notes_written_by_hand_stay_with_what_is_put_back() -> None:
    notes = with_proof(BY_HAND, NAME, "debian-13-standard")
    assert notes == f"{BY_HAND}vikunja-deploy: {NAME}\nmade from: debian-13-standard\n"
    assert with_proof(NOTES, NAME, "debian-12-standard") == NOTES


SPEC = ContainerSpec(NAME, NAME, "", NAME, 1, 1, 1, "vmbr0", "192.0.2.10/24", "192.0.2.1")


def guest(vmid: int, *, tagged: bool = True, noted: bool = True) -> Guest:
    tags = (TAG,) if tagged else ()
    named, identity = (NAME, IDENTITY) if noted else (None, None)
    owner = NAME if tagged and noted else None
    return Guest(vmid, "pve", "lxc", tags, owner, named, identity)


def test_of_a_container_and_its_clones_the_recorded_one_is_meant() -> None:
    guests = [guest(101), guest(100), guest(102)]
    assert choose(SPEC, DesiredProxmox("pve"), guests, ENTRY) == guests[1]
    with pytest.raises(ResourceError, match="the instance's container has the id 100, not 101"):
        choose(SPEC, DesiredProxmox("pve", vmid=101), guests, ENTRY)


@pytest.mark.parametrize(
    "entry", [None, replace(ENTRY, identity=None), replace(ENTRY, identity=OTHER)]
)
def test_of_two_that_nothing_tells_apart_neither_is_taken_and_both_are_named(
    entry: Registered | None,
) -> None:
    with pytest.raises(ResourceError, match="100 on pve, 101 on pve") as refused:
        choose(SPEC, DesiredProxmox("pve"), [guest(100), guest(101)], entry)
    assert "nothing in them is lost" in refused.value.hint


def test_a_container_whose_tag_was_removed_is_found_by_its_notes() -> None:
    assert choose(SPEC, DesiredProxmox("pve"), [guest(100, tagged=False)], None) is not None
    both = [guest(100), guest(101, tagged=False)]
    assert choose(SPEC, DesiredProxmox("pve"), both, None) == both[0]
