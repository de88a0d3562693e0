"""Errors cross from one process to another."""

import pickle

from ondol import MissingDependencyError


def test_a_missing_dependency_can_leave_a_worker() -> None:
    error = MissingDependencyError("reading Parquet files", "pyarrow", "parquet")
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.package, copy.extra) == (str(error), "pyarrow", "parquet")
