"""Nothing that ondol reads can run code: no pickle, and what could hold one is told not to."""

import ast
import os
from pathlib import Path

import ondol

PACKAGE = Path(ondol.__file__).parent
FORBIDDEN = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}


def test_no_module_reads_pickles() -> None:
    files = [
        Path(folder) / name
        for folder, _, names in os.walk(PACKAGE, followlinks=True)
        for name in names
    ]
    sources = [path for path in files if path.suffix == ".py"]
    assert any(path.name == "checks.py" for path in sources)
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert not {alias.name for alias in node.names} & FORBIDDEN, path
            if isinstance(node, ast.ImportFrom):
                assert node.module not in FORBIDDEN, path
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "np.load":
                assert not any(word.arg == "allow_pickle" for word in node.keywords), path
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                safe = [ast.unparse(w.value) for w in node.keywords if w.arg == "weights_only"]
                assert safe == ["True"], path
