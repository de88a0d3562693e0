"""A finished bundle to a repository of the hub."""

from dataclasses import dataclass
from pathlib import Path

from ondol.errors import InputError, UploadError
from ondol.hub.bundles import CARD
from ondol.hub.download import client_for
from ondol.hub.failures import reason
from ondol.hub.names import is_repository
from ondol.manifest import FILE_NAME, Manifest
from ondol.runtime.checks import Check, check_files

#: Where a bundle keeps its variants: those of an earlier push that the new one lacks are deleted.
_VARIANT_FOLDERS = ["onnx/*", "gguf/*"]


@dataclass(frozen=True)
class Pushed:
    """Where the bundle is now.

    Attributes:
        commit: the hub's.
        url: the page of the commit.
    """

    commit: str
    url: str


def push(
    bundle: Path, repository: str, *, private: bool = False, revision: str | None = None
) -> Pushed:
    """Upload a bundle in one commit: ondol.json, the files it lists, and the model card.

    The repository and the branch are made if they do not exist. Nothing is uploaded before every
    file was compared with the manifest. If it breaks off, the repository is as it was; what has
    arrived is not sent again.

    Args:
        repository: ORGANISATION/NAME.
        private: make a new repository a private one.
        revision: the branch to commit to; None is the default branch.

    Raises InputError if `repository` is no hub id, BundleError if the bundle does not verify,
    UploadError with what to do, also if `private` is asked of a public repository;
    MissingDependencyError without huggingface_hub.
    """
    if not is_repository(repository):
        raise InputError(f"{repository!r} is not a hub id; expected ORGANISATION/NAME")
    client = client_for(f"uploading to {repository}")
    manifest = Manifest.read(bundle)
    for record in manifest.variants:
        check_files(bundle, manifest, record, Check.FULL)
    names = [FILE_NAME, CARD, *(file.path for file in manifest.files_of(manifest.variants))]
    api = client.HfApi()
    try:
        api.create_repo(repository, private=private or None, exist_ok=True)
        if private and not api.model_info(repository).private:
            raise UploadError(
                f"{repository} exists and is public; --private makes new repositories private and "
                "changes none: change it in its settings, or push without --private"
            )
        if revision is not None:
            api.create_branch(repository, branch=revision, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repository,
            folder_path=bundle,
            allow_patterns=names,
            delete_patterns=_VARIANT_FOLDERS,
            commit_message=f"{manifest.source.id}, built by ondol {manifest.ondol_version}",
            revision=revision,
        )
    except UploadError:
        raise
    except Exception as error:  # hub errors, HTTP errors, OSError: one message for the user
        raise UploadError(
            f"cannot push {bundle} to {repository}: {reason(error, repository)}"
        ) from error
    return Pushed(commit.oid, commit.commit_url)
