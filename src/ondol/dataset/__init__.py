"""The vectors of a whole data set: files of any number and size in, Parquet out.

from ondol.dataset import embed_dataset

embed_dataset("reviews/*.parquet", "vectors", column="body")
"""

from ondol.dataset.budget import DEFAULT_MAX_ERRORS
from ondol.dataset.local import LocalExecutor
from ondol.dataset.ray_pool import RayExecutor
from ondol.dataset.run import DatasetReport, embed_dataset

__all__ = [
    "DEFAULT_MAX_ERRORS",
    "DatasetReport",
    "LocalExecutor",
    "RayExecutor",
    "embed_dataset",
]
