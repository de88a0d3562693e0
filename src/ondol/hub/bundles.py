"""Bundles from the hub: into its cache for an Embedder, or as a directory of its own."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ondol.errors import BundleNotFoundError, ChecksumError, InputError
from ondol.files import atomic_directory, sha256_of
from ondol.hub.download import download_file, snapshot_of
from ondol.hub.names import is_repository
from ondol.manifest import FILE_NAME, FileRecord, Manifest, VariantRecord
from ondol.variants import Variant

#: The model card, which a repository may lack.
CARD = "README.md"


@dataclass(frozen=True)
class Pulled:
    """What `pull` wrote.

    Attributes:
        commit: the hub's, to which the revision was pinned.
        variants: in the manifest's order.
        bytes: all files of the directory together, ondol.json and model card left out.
    """

    commit: str
    variants: tuple[Variant, ...]
    bytes: int


def cached_bundle(repository: str, choose: Callable[[Manifest], Variant]) -> Path:
    """The bundle of the default branch in the hub's cache, with one variant.

    Only the manifest, the tokenizer, the reference set and the variant that `choose` takes from
    the manifest are downloaded, and compared with the manifest then. With HF_HUB_OFFLINE, or where
    the hub cannot be reached, it is what the cache holds.

    repository: ORGANISATION/NAME.

    Raises BundleNotFoundError if the repository is no bundle, ManifestError if its manifest cannot
    be understood, ChecksumError if a file is not the manifest's, DownloadError if the hub does not
    give it, MissingDependencyError without huggingface_hub, and what `choose` raises.
    """
    bundle = _download_manifest(repository, None)
    manifest = Manifest.read(bundle)
    for record in manifest.files_of([manifest.variant(choose(manifest))]):
        # A load checks what it uses; what is there was also checked when it was downloaded.
        if not (bundle / record.path).is_file():
            _download(repository, bundle.name, record)
    return bundle


def pull(
    repository: str,
    out: Path,
    *,
    variants: Sequence[Variant] = (),
    revision: str | None = None,
    report_stage: Callable[[str], None] = lambda stage: None,
) -> Pulled:
    """Write a bundle of the hub to a new directory, whole or not at all.

    Every file is compared with the manifest first. The manifest of the directory is the
    repository's own but for `variants`, which lists the ones that were asked for. What a pull that
    broke off has fetched stays in the hub's cache, and is not fetched again.

    Args:
        repository: ORGANISATION/NAME.
        out: must not exist, or be an empty directory.
        variants: which ones to take; none named, all.
        revision: a commit, branch or tag; None is the default branch.
        report_stage: called with what begins; on a terminal the client shows a bar for each file.

    Raises InputError if `repository` is no hub id or `out` exists, VariantError if the bundle does
    not hold a variant, and what `cached_bundle` raises.
    """
    if not is_repository(repository):
        raise InputError(f"{repository!r} is not a hub id; expected ORGANISATION/NAME")
    with atomic_directory(out) as bundle:
        snapshot = _download_manifest(repository, revision)
        manifest = Manifest.read(snapshot)
        wanted = [manifest.variant(variant) for variant in variants]
        records = [record for record in manifest.variants if not wanted or record in wanted]
        files = manifest.files_of(records)
        for file in files:
            report_stage(f"fetching {file.path}, {file.bytes:,} bytes")
            source = _download(repository, snapshot.name, file)
            (bundle / file.path).parent.mkdir(parents=True, exist_ok=True)
            # Never a link: the cache may be cleaned, and the directory may be moved.
            shutil.copyfile(source, bundle / file.path)
        card = download_file(repository, CARD, snapshot.name)
        if card is not None:
            shutil.copyfile(card, bundle / CARD)
        _write_manifest(snapshot / FILE_NAME, records, bundle / FILE_NAME)
    return Pulled(
        snapshot.name,
        tuple(record.name for record in records),
        sum(file.bytes for file in files),
    )


def _download_manifest(repository: str, revision: str | None) -> Path:
    """The snapshot's directory, which holds ondol.json. Raises BundleNotFoundError."""
    path = download_file(repository, FILE_NAME, revision)
    if path is None:
        raise BundleNotFoundError(
            f"the hub repository {repository} holds no {FILE_NAME}, so it is no bundle; if it is a "
            f"checkpoint, make one of it: ondol build {repository} --out DIR"
        )
    return snapshot_of(path, FILE_NAME)


def _download(repository: str, commit: str, record: FileRecord) -> Path:
    """A file of the manifest in the cache. Raises ChecksumError if it is not what that says."""
    path = download_file(repository, record.path, commit)
    if path is None:
        found = "is missing"
    elif path.stat().st_size != record.bytes:
        found = f"has {path.stat().st_size:,} bytes, its manifest says {record.bytes:,}"
    elif sha256_of(path) != record.sha256:
        found = f"has another sha256 than its manifest says ({record.sha256[:12]}…)"
    else:
        return path
    raise ChecksumError(
        f"{record.path} of the hub repository {repository} at {commit} {found}; the repository "
        "mixes two bundles: take another --revision, or have its owner push it again"
    )


def _write_manifest(source: Path, records: Sequence[VariantRecord], target: Path) -> None:
    """Copy a manifest with the given variants alone, and all else as it is."""
    content = json.loads(source.read_text(encoding="utf-8"))
    names = {record.name.value for record in records}
    content["variants"] = [entry for entry in content["variants"] if entry["name"] in names]
    text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
    target.write_text(text, encoding="utf-8")
