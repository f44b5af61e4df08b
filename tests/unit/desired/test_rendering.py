"""Templates become files that know which keys made them; kept copies are only used where whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from instance_samples import sample_instance
from jinja2 import UndefinedError

from tasks.desired import rendering, system
from tasks.desired.rendering import (
    MANIFEST,
    Rendered,
    Templated,
    host_name,
    origin_of,
    recall,
    render,
    rendering_key,
    template_digest,
    template_files,
    write,
)
from tasks.errors import DeployError
from tasks.model.digests import digest
from tasks.paths import TEMPLATES, Paths

INSTANCE = sample_instance(vikunja={"environment": {"A": "b"}})


@pytest.fixture
def templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of templates for this test alone."""
    folder = tmp_path / "templates"
    folder.mkdir()
    monkeypatch.setattr(rendering, "TEMPLATES", folder)
    monkeypatch.setattr(rendering, "ROOT", tmp_path)
    caches = (
        rendering._environment,
        rendering._file_digest,
        rendering._shared_files,
        rendering._template_digest,
    )
    for cache in caches:
        cache.cache_clear()
    yield folder
    for cache in caches:
        cache.cache_clear()


def rendered(text: str, templates: Path, **variables: str) -> Rendered:
    (templates / "one.j2").write_text(text)
    item = Templated("one.j2", "/etc/one", variables=tuple(variables.items()))
    return render(INSTANCE, [item])["/etc/one"]


def test_a_file_knows_the_keys_that_its_template_reads(templates: Path) -> None:
    made = rendered(
        "{{ network.domain }} {{ services.mcp.port_blue }} {{ color }}\n", templates, color="blue"
    )
    assert made.content == b"vikunja.example.com 8456 blue\n"
    assert made.origin.inputs == {
        "network.domain": digest("vikunja.example.com"),
        "services.mcp.port_blue": digest(8456),
    }
    assert made.origin.template == template_digest(Templated("one.j2", "/etc/one"))


def test_a_mapping_of_the_user_s_own_names_is_one_key(templates: Path) -> None:
    text = "{% for name, value in vikunja.environment|items %}{{ name }}={{ value }}{% endfor %}"
    made = rendered(text, templates)
    assert made.content == b"A=b"
    assert made.origin.inputs == {"vikunja.environment": digest({"A": "b"})}


@pytest.mark.parametrize("key", ["network.domains", "color", "services.mcp.ports.blue"])
def test_a_template_that_reads_a_key_that_there_is_not_fails(templates: Path, key: str) -> None:
    with pytest.raises(UndefinedError, match=r"domains|color|ports"):
        rendered(f"{{{{ {key} }}}}", templates)


def test_lines_of_statements_leave_nothing_behind(templates: Path) -> None:
    made = rendered("a\n    {% if redis.enabled %}\nb\n    {% endif %}\n<&>\n", templates)
    assert made.content == b"a\n<&>\n"


def test_a_section_as_a_whole_is_made_of_what_is_in_it() -> None:
    origin = origin_of(INSTANCE, ["network.domain", "deployment", "vikunja.environment"])
    assert origin.inputs == {
        "deployment": digest(INSTANCE.document["deployment"]),
        "network.domain": digest("vikunja.example.com"),
        "vikunja.environment": digest({"A": "b"}),
    }
    assert origin.template is None


def test_what_templates_share_is_part_of_each_one_s_digest(templates: Path) -> None:
    for name in ("one.j2", "two.j2"):
        (templates / name).write_text(name)
    one, two = Templated("one.j2", "/etc/one"), Templated("two.j2", "/etc/two")
    assert template_digest(one) != template_digest(two)
    before = template_digest(one)
    (templates / "shared").mkdir()
    (templates / "shared/macros.j2").write_text("{# more #}")
    rendering._shared_files.cache_clear()
    rendering._template_digest.cache_clear()
    assert template_digest(one) != before
    assert {path.name for path in template_files([one])} == {"one.j2", "macros.j2", "color.sh"}


def test_a_template_that_is_missing_says_how_it_comes_back(templates: Path) -> None:
    with pytest.raises(DeployError, match="template is missing") as caught:
        template_digest(Templated("systemd/gone.j2", "/etc/gone"))
    assert caught.value.where == "templates/systemd/gone.j2"
    assert caught.value.hint == "Restore it: git checkout -- templates"


@pytest.mark.parametrize(
    "other",
    [
        Templated("nginx/nginx.conf.j2", "/etc/b"),
        Templated("nginx/nginx.conf.j2", "/etc/a", mode="0600"),
        Templated("nginx/nginx.conf.j2", "/etc/a", owner="vikunja"),
        Templated("nginx/nginx.conf.j2", "/etc/a", group="vikunja"),
        Templated("nginx/nginx.conf.j2", "/etc/a", variables=(("color", "blue"),)),
        Templated("logrotate/vikunja.j2", "/etc/a"),
    ],
)
def test_a_rendering_is_another_where_anything_that_it_depends_on_is(other: Templated) -> None:
    wanted = (Templated("nginx/nginx.conf.j2", "/etc/a"),)
    key = rendering_key(INSTANCE, wanted)
    assert rendering_key(INSTANCE, wanted) == key
    assert rendering_key(INSTANCE, (other,)) != key
    assert rendering_key(sample_instance(), wanted) != key


WANTED = system.templated(INSTANCE)
NGINX = "/etc/nginx/nginx.conf"


@pytest.fixture
def kept(tmp_path: Path) -> Paths:
    paths = Paths(tmp_path)
    write(INSTANCE, WANTED, paths)
    return paths


def test_what_is_kept_is_what_would_be_rendered_and_for_its_owner_only(
    kept: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = kept.rendered(INSTANCE.id)
    fresh = render(INSTANCE, WANTED)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {p.name for p in folder.iterdir()} == {MANIFEST, *(host_name(path) for path in fresh)}
    assert (folder / "etc__nginx__nginx.conf").read_bytes() == fresh[NGINX].content

    def again(*_: object) -> None:
        raise AssertionError("rendered anew")

    monkeypatch.setattr(rendering, "render", again)
    assert recall(INSTANCE, WANTED, kept) == fresh


@pytest.mark.parametrize("damage", ["edited", "gone", "manifest", "manifest gone", "key"])
def test_whatever_became_of_what_is_kept_a_plan_has_what_would_be_rendered(
    kept: Paths, damage: str
) -> None:
    folder = kept.rendered(INSTANCE.id)
    copy, manifest = folder / host_name(NGINX), folder / MANIFEST
    if damage == "edited":
        copy.write_text("by hand")
    elif damage == "gone":
        copy.unlink()
    elif damage == "manifest":
        manifest.write_text("{")
    elif damage == "manifest gone":
        manifest.unlink()
    else:
        manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "key": "other"}))
        copy.write_text("by hand")
    assert recall(INSTANCE, WANTED, kept) == render(INSTANCE, WANTED)


def test_only_what_changes_is_written_again_and_what_is_no_longer_wanted_goes(kept: Paths) -> None:
    folder = kept.rendered(INSTANCE.id)
    said: list[str] = []
    write(INSTANCE, WANTED, kept, said.append)
    assert said == []
    (folder / host_name(NGINX)).write_text("by hand")
    (folder / "etc__old").write_text("of a version before")
    write(INSTANCE, WANTED, kept, said.append)
    assert said == [f"rendered {NGINX}"]
    assert not (folder / "etc__old").exists()
    assert recall(INSTANCE, WANTED, kept) == render(INSTANCE, WANTED)


def test_the_templates_are_those_of_the_tool() -> None:
    assert {path for path in template_files(WANTED) if not path.is_file()} == set()
    assert TEMPLATES / "nginx/nginx.conf.j2" in template_files(WANTED)
