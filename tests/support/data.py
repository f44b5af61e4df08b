"""A site's data by digest: what must be the same after whatever went wrong."""

from __future__ import annotations

from inside import Inside
from journey import Site
from tables import Table, tables

from tasks.config import load_instances
from tasks.containers import container_for
from tasks.databases import Database, database_for


def database(site: Site) -> Database:
    (instance,) = load_instances([site.file])
    return database_for(instance, container_for(instance, site.paths))


def everything(site: Site) -> tuple[dict[str, Table], str]:
    """Every table and every attachment. Of a site that nobody writes to."""
    return dict(tables(database(site))), files(site)


def beside_tasks(site: Site) -> tuple[dict[str, Table], str]:
    """The same but for the one table that the tests' writers write to."""
    tables, attachments = everything(site)
    return {name: table for name, table in tables.items() if name != "tasks"}, attachments


def files(site: Site) -> str:
    list_all = "cd /var/lib/vikunja/files && find . -type f -exec sha256sum {} + | sort"
    return Inside(site).shell(list_all)
