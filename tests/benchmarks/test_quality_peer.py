"""A peer is run in its process, told apart by its files, and named with its reason if unmade."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from peers.contender import Contender
from peers.places import environment_python
from peers.process import PeerError
from quality.cache import vectors_of
from quality.models import NamedModel
from quality.peer import Peer, peer_models
from quality.sets import Texts

from ondol import Embedder
from ondol.errors import InputError
from ondol.runtime.default import default_bundle


@pytest.fixture
def peers(tmp_path: Path) -> Path:
    """As make_peers.py leaves it, with this interpreter for the environment `model2vec`."""
    python = environment_python(tmp_path, "model2vec")
    python.parent.mkdir(parents=True)
    # Not a link: Python takes the place it was called from for its environment's.
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    reasons = {"environments/fastembed": "its environment could not be made: no wheel"}
    (tmp_path / "reasons.json").write_text(json.dumps(reasons))
    return tmp_path


def contender(**changes: str) -> Contender:
    options = {"variant": "onnx-int8", **changes}
    module, files = "peers.ondol_variants", ("onnx/model-int8.onnx", "tokenizer.json")
    return Contender("ours", module, "model2vec", default_bundle(), files, (), options)


def test_vectors_come_from_the_process_of_the_peer(peers: Path, tmp_path: Path) -> None:
    texts = Texts("few", ("query: 국내 여행지", "passage: 제주도는 섬이다."))
    named = NamedModel("peer", Peer(contender(), peers, None))
    found = vectors_of(named, [texts], tmp_path / "cache")["few"]
    with Embedder(variant="onnx-int8") as embedder:
        assert np.allclose(found, embedder.encode(list(texts.texts)), atol=1e-6)


def test_identity_follows_files_and_options(peers: Path) -> None:
    def identity(one: Contender) -> str:
        return Peer(one, peers, None).identity()

    assert identity(contender()) == identity(contender())
    assert identity(contender()) != identity(contender(variant="gguf-q5_0"))


def test_a_peer_that_could_not_be_made_says_why(peers: Path) -> None:
    found = {named.name: named.model for named in peer_models(peers)}
    fastembed = next(model for name, model in found.items() if "fastembed" in name)
    with pytest.raises(PeerError, match="could not be made: no wheel"):
        fastembed.identity()
    static = next(model for name, model in found.items() if "model2vec" in name)
    with pytest.raises(PeerError, match=r"is missing; run benchmarks/make_peers\.py"):
        static.identity()


def test_a_folder_that_make_peers_did_not_finish(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no reasons\.json, so benchmarks/make_peers\.py"):
        peer_models(tmp_path)
