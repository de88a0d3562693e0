"""From what huggingface_hub raises to what the user can do about it."""

from collections.abc import Iterator

#: Names of the errors that requests, httpx and urllib3 raise for a connection that ended too
#: early. huggingface_hub talks through requests up to 0.x and through httpx from 1.0.
_BROKEN_OFF = {"ChunkedEncodingError", "RemoteProtocolError", "IncompleteRead", "ReadError"}


def status_code(error: BaseException) -> int | None:
    """The status with which the hub answered, or None if there was no answer."""
    for met in _chain(error):
        status = getattr(getattr(met, "response", None), "status_code", None)
        if isinstance(status, int):
            return status
    return None


def broke_off(error: BaseException) -> bool:
    """Whether a transfer had begun and ended too early, so that asking for the rest may work."""
    return any(type(met).__name__ in _BROKEN_OFF for met in _chain(error))


def reason(error: BaseException, repository: str) -> str:
    """What went wrong with `repository`, and what to do, in one line."""
    from huggingface_hub import constants, errors

    chain = tuple(_chain(error))

    def met(kind: type[BaseException]) -> bool:
        return any(isinstance(member, kind) for member in chain)

    page = f"{constants.ENDPOINT}/{repository}"
    status = status_code(error)
    if met(errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set, so that the hub is not asked: unset it and try again"
    if met(errors.GatedRepoError):
        return (
            f"the repository is gated: ask for access at {page}, then set HF_TOKEN or run "
            "`hf auth login`"
        )
    if met(errors.RevisionNotFoundError):
        return f"the repository has no such revision: {page}/tree/main lists the ones there are"
    if met(errors.RepositoryNotFoundError):
        return (
            f"there is no such repository at {constants.ENDPOINT}, or it is private and no token "
            "that may read it was given: check the name, or set HF_TOKEN or run `hf auth login`"
        )
    if status in (401, 403):
        return (
            f"the hub answered {status}, {_short(error)}: give a token that may do this, with "
            "HF_TOKEN or `hf auth login`"
        )
    if status is not None:
        return f"the hub answered {status}, {_short(error)}: try again later"
    if any("Timeout" in type(member).__name__ for member in chain):
        # The client asks for a file's checksum first, and wraps what goes wrong there.
        first = isinstance(error, errors.LocalEntryNotFoundError)
        name = "HF_HUB_ETAG_TIMEOUT" if first else "HF_HUB_DOWNLOAD_TIMEOUT"
        return (
            f"{constants.ENDPOINT} sent nothing for {getattr(constants, name)} seconds: try again, "
            f"what has arrived is kept; {name} sets how long to wait"
        )
    if isinstance(error, OSError) and error.errno is not None:
        return (
            f"{_short(error)}: see that the hub's cache, {constants.HF_HUB_CACHE}, can be written"
        )
    if broke_off(error) or any("Connect" in type(member).__name__ for member in chain):
        return (
            f"the connection to {constants.ENDPOINT} failed, {_short(chain[-1])}: try again, what "
            "has arrived is kept"
        )
    return (
        f"{type(chain[-1]).__name__}, {_short(chain[-1])}: see that {constants.ENDPOINT} is a "
        "hub, and report this if it is"
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, its cause, the cause of that, and so on to the first one."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _short(error: BaseException) -> str:
    """The message without line breaks, at most 200 characters of it."""
    return f"{' '.join(str(error).split()) or type(error).__name__:.200}"
