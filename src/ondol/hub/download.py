"""One file of a repository in the hub's cache: pinned, resumed, and with the right checksum.

The cache is huggingface_hub's own (HF_HOME), shared with every other program that uses it.
"""

import hashlib
from pathlib import Path
from typing import Any

from ondol.errors import DownloadError, MissingDependencyError
from ondol.files import sha256_of
from ondol.hub.failures import broke_off, reason, status_code

#: How often a transfer that broke off is taken up again before that is an error. The client itself
#: does so for some of the ways in which a connection can break, not for all; what a file has got
#: so far is kept between attempts by huggingface_hub 0.x over HTTP.
_ATTEMPTS = 5


def download_file(repository: str, name: str, revision: str | None) -> Path | None:
    """A file's path in the cache, downloaded if it is not there yet.

    `snapshot_of` tells its commit. A file of a known commit that is in the cache costs no question
    to the hub; where the hub cannot be reached, a branch or tag is what it was when it was last
    asked for.

    Args:
        repository: ORGANISATION/NAME.
        revision: a commit, branch or tag; None is the default branch.

    Returns None if the repository holds no file of that name.

    Raises DownloadError with what to do, MissingDependencyError without huggingface_hub.
    """
    client = client_for(f"downloading {repository} from the hub")
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            path = Path(client.hf_hub_download(repository, name, revision=revision))
        except Exception as error:  # hub errors, HTTP errors, OSError: one message for the user
            if _no_such_file(error):
                return None
            if broke_off(error) and attempt < _ATTEMPTS:
                continue
            raise DownloadError(
                f"cannot get {name} of {repository}{f' at {revision}' if revision else ''} from "
                f"the hub: {reason(error, repository)}"
            ) from error
        _check(path, repository, name)
        return path
    raise AssertionError("the last attempt returns or raises")


def snapshot_of(path: Path, name: str) -> Path:
    """The directory of the commit to which `path`, as `download_file` returned it, belongs.

    Its name is the commit; it holds the commit's files as far as they were downloaded.
    """
    return path.parents[name.count("/")]


def list_files(repository: str, snapshot: Path) -> list[str]:
    """Names of all files of a commit; where the hub cannot be reached, of those in the cache.

    Raises DownloadError if the hub answers with an error.
    """
    client = client_for(f"downloading {repository} from the hub")
    try:
        info = client.HfApi().model_info(
            repository,
            revision=snapshot.name,
            # Without one the client would wait for ever.
            timeout=client.constants.HF_HUB_ETAG_TIMEOUT,
        )
    except Exception as error:
        if status_code(error) is None:
            paths = (path for path in snapshot.rglob("*") if path.is_file())
            return sorted(path.relative_to(snapshot).as_posix() for path in paths)
        raise DownloadError(
            f"cannot list the files of {repository} at {snapshot.name}: {reason(error, repository)}"
        ) from error
    return [sibling.rfilename for sibling in info.siblings]


def client_for(purpose: str) -> Any:
    """The module huggingface_hub, imported at the first call.

    Raises MissingDependencyError, which says what it was needed for.
    """
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError as error:
        raise MissingDependencyError(purpose, "huggingface_hub", "hub") from error
    return huggingface_hub


def _no_such_file(error: Exception) -> bool:
    from huggingface_hub import errors

    # The second is a kind of the first, but means that nobody could be asked.
    return isinstance(error, errors.EntryNotFoundError) and not isinstance(
        error, errors.LocalEntryNotFoundError
    )


def _check(path: Path, repository: str, name: str) -> None:
    """Compare a file with the checksum that the hub stated: the client compares the size alone.

    The cache names a file's content by it: 64 digits are the SHA-256 of a large file, 40 git's
    own object id of a small one (huggingface.co/docs/huggingface_hub/guides/manage-cache). Where
    there are no symbolic links, files have their plain names and are not compared here.

    Raises DownloadError, and removes the file, so that the next download fetches it again.
    """
    content = path.resolve()
    if content.parent.name != "blobs":
        return
    match len(content.name):
        case 64:
            found = {sha256_of(content)}
        case 40:
            found = _sha1_digests(content)
        case _:
            return  # a mirror with entity tags of its own
    if content.name not in found:
        path.unlink()
        content.unlink()
        raise DownloadError(
            f"{name} of {repository} arrived damaged, or was damaged in the cache: its checksum is "
            f"{min(found)[:12]}…, the hub stated {content.name[:12]}…. It was removed from the "
            "cache: run the command again"
        )


def _sha1_digests(path: Path) -> set[str]:
    """Git's object id of a file, which the hub states, and its SHA-1, which some mirrors do."""
    content = path.read_bytes()
    git = b"blob %d\0" % len(content) + content
    return {hashlib.sha1(data, usedforsecurity=False).hexdigest() for data in (git, content)}
