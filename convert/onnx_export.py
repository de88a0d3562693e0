"""optimum's float32 export: the graph that `ondol.convert.encoder_graph` is held against."""

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ondol.errors import ConversionError, MissingDependencyError
from ondol.runtime.onnx_check import VOCAB_ROWS_KEY

if TYPE_CHECKING:
    import transformers

#: The newest opset that optimum exports.
OPSET = 18


def export_float(model: "transformers.PreTrainedModel", out: Path) -> None:
    """Write the encoder as a float32 ONNX file, inputs and output named as optimum names them.

    Raises MissingDependencyError without optimum, ConversionError if the export fails.
    """
    try:
        import onnx
        from optimum.exporters.onnx import onnx_export_from_model
    except ImportError as error:
        raise MissingDependencyError("exporting to ONNX", "optimum-onnx", "convert") from error
    with _quiet(), tempfile.TemporaryDirectory(dir=out.parent) as folder:
        onnx_export_from_model(
            model,
            Path(folder),
            opset=OPSET,
            task="feature-extraction",
            do_validation=False,  # every variant is measured on real text later
        )
        exported = onnx.load(Path(folder, "model.onnx"))
    rows = model.config.vocab_size
    shapes = {tuple(item.dims) for item in exported.graph.initializer}
    if (rows, model.config.hidden_size) not in shapes:
        raise ConversionError(
            f"the exported graph holds no embedding of {rows:,} rows; optimum changed its layout"
        )
    exported.metadata_props.add(key=VOCAB_ROWS_KEY, value=str(rows))
    onnx.save(exported, out)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' notes about their own deprecations away from the user's terminal."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)
