"""From a branch to its commit: what is asked of a repository before anything is fetched."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.builds import remote as runner
from tasks.builds.remote import Remote
from tasks.errors import DeployError, GitError
from tasks.model.instance import Git


def resolve(git: Git, timeout: float = 30.0) -> str:
    """The commit (40 hex digits) that the branch has at the remote now; a tag serves as well.

    Raises GitError (no such branch, no credentials, no repository) or NetworkError. timeout: s.
    """
    remote = Remote.parse(git.repository)
    name = git.branch
    wanted = (f"refs/heads/{name}", f"refs/tags/{name}^{{}}", f"refs/tags/{name}")
    found = _references(remote, wanted, timeout)
    for reference in wanted:
        if reference in found:
            return found[reference]
    raise _no_branch(remote, name, timeout)


def resolve_many(desired: Iterable[Git]) -> dict[Git, str | DeployError]:
    """`resolve` of all of them at once, each distinct one asked for once, errors as values."""
    distinct = list(dict.fromkeys(desired))

    def outcome(git: Git) -> str | DeployError:
        try:
            return resolve(git)
        except DeployError as error:
            return error

    if len(distinct) < 2:
        return {git: outcome(git) for git in distinct}
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=min(8, len(distinct))) as pool:
        return dict(zip(distinct, pool.map(outcome, distinct), strict=True))


def _references(remote: Remote, patterns: tuple[str, ...], timeout: float) -> dict[str, str]:
    done = runner.run(["ls-remote", "--", remote.url, *patterns], remote, timeout=timeout)
    lines = done.stdout.decode(errors="replace").splitlines()
    pairs = (line.split("\t", 1) for line in lines if "\t" in line)
    return {name: commit for commit, name in pairs}


def _no_branch(remote: Remote, name: str, timeout: float) -> GitError:
    from tasks.config.suggest import alike

    everything = _references(remote, ("refs/heads/*", "refs/tags/*"), timeout)
    names = sorted(
        {reference.split("/", 2)[2] for reference in everything if not reference.endswith("^{}")}
    )
    near = alike(name, names, 5, 0.4) or names[:5]
    hint = f"nearest: {', '.join(near)}" if near else "the repository is empty: push a branch"
    return GitError(f"no branch or tag named {name!r}", where=remote.url, hint=hint)
