"""Whether an output folder is empty, or holds the beginning of this very run."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ondol.dataset.job import Job
from ondol.dataset.output import RUN_FILE, write_json
from ondol.dataset.partitions import Partition
from ondol.dataset.storage import Folder
from ondol.errors import ResumeError
from ondol.records import json_kind

#: Of the files of the output folder; a later version of this program may know others.
_VERSION = 1

#: Differences that a message names.
_NAMED = 3


def begin(folder: Folder, job: Job, partitions: Sequence[Partition]) -> None:
    """Write down what is asked, or see that it is the same as before; clean up after a killed run.

    Raises ResumeError if the folder holds another run, or something else.
    """
    wanted = {
        "version": _VERSION,
        "settings": job.settings(),
        "partitions": [partition.to_dict() for partition in partitions],
    }
    content = folder.read(RUN_FILE)
    if content is not None:
        _compare(folder, _parsed(folder, content), wanted)
        folder.remove_partial()
        return
    # Killed before it was whole: nothing else was written then.
    folder.remove_partial(RUN_FILE)
    if names := sorted(folder.sizes()):
        raise ResumeError(
            f"{folder.url} holds {names[0]!r} but no {RUN_FILE}, so it is not the output of a run "
            "that could be continued: choose another --out, or empty it"
        )
    write_json(folder, RUN_FILE, wanted)


def _parsed(folder: Folder, content: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
        if not isinstance(found, dict):
            raise TypeError(f"it holds {json_kind(found)}")
        if found["version"] != _VERSION:
            raise ResumeError(
                f"{folder.url}/{RUN_FILE} is of version {found['version']!r}, this program knows "
                f"{_VERSION}: finish it with the program that began it, or choose another --out"
            )
        if not isinstance(found["settings"].get("identity", {}), dict):
            raise TypeError("its identity is no object")
        for one in found["partitions"]:
            _ = {one["source"]: (one["row_groups"], one["bytes"], one["stamp"])}
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ResumeError(
            f"{folder.url}/{RUN_FILE} cannot be read ({error!r}): choose another --out, or empty it"
        ) from error
    return found


def _compare(folder: Folder, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    differences = [
        f"{name} {wanted['settings'].get(name)!r} instead of {value!r}"
        for name, value in found["settings"].items()
        if wanted["settings"].get(name) != value and name != "identity"
    ]
    made, now = found["settings"].get("identity", {}), wanted["settings"]["identity"]
    differences += [
        f"bundle's {name} {now.get(name)!r} instead of {made.get(name)!r}"
        for name in {**made, **now}
        if made.get(name) != now.get(name)
    ]
    differences += _changed(found["partitions"], wanted["partitions"])
    if differences:
        named = "; ".join(differences[:_NAMED]) + ("; …" if len(differences) > _NAMED else "")
        raise ResumeError(
            f"{folder.url} holds the vectors of another run ({named}): repeat that run's input and "
            "options to continue it, or choose another --out"
        )


def _changed(
    found: Sequence[Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """Input files that are new, gone or other ones."""
    before = {(one["source"], str(one["row_groups"])): one for one in found}
    now = {(one["source"], str(one["row_groups"])): one for one in wanted}
    for key in {**before, **now}:
        if key not in now:
            yield f"input {key[0]} is gone"
        elif key not in before:
            yield f"input {key[0]} is new"
        elif (before[key]["bytes"], before[key]["stamp"]) != (now[key]["bytes"], now[key]["stamp"]):
            yield f"input {key[0]} has changed since"
        elif before[key] != now[key]:
            yield f"input {key[0]} has another place"
