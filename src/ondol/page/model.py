"""What the model tab asks for: the manifest's table, and what was measured on this machine."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ondol.benchmarks.axis import Axis
from ondol.benchmarks.plots import Point, scatter
from ondol.benchmarks.report_plots import report_plots
from ondol.benchmarks.results import BenchReport
from ondol.engine import Engine
from ondol.manifest import Manifest
from ondol.page.measuring import Measuring
from ondol.page.protection import PLOT_POLICY
from ondol.serve.endpoint import Endpoint
from ondol.serve.request_errors import RequestError

#: The plot of what the manifest records, which is there before anything is measured.
_RECORDED = "recorded.svg"


class ModelTab:
    """The numbers of one bundle.

    Args:
        name: of the model, as the server's protocols tell it.
        variant: the loaded one.
        measuring: whoever opened it closes it.
    """

    def __init__(self, manifest: Manifest, *, name: str, variant: str, measuring: Measuring):
        self._manifest = manifest
        self._name = name
        self._variant = variant
        self._measuring = measuring
        self._recorded = recorded_plot(manifest)

    def endpoints(self) -> list[Endpoint]:
        """All of them."""
        return [
            Endpoint("GET", "/model", self.describe, "Page: what the manifest records"),
            Endpoint("GET", "/measurement", self.measured, "Page: numbers of this machine"),
            Endpoint("POST", "/measurement/start", self.start, "Page: measure"),
            Endpoint("POST", "/measurement/stop", self.stop, "Page: stop measuring"),
            Endpoint("GET", "/plots/{name}", self.plot, "Page: a plot", media_type="image/svg+xml"),
        ]

    async def describe(self, request: Request) -> Response:
        """Model and variants, with the parity that was measured when the bundle was built."""
        manifest = self._manifest
        return JSONResponse(
            {
                "name": self._name,
                "source": manifest.source.id,
                "type": manifest.architecture.model_type,
                "layers": manifest.architecture.layers,
                "dimension": manifest.architecture.hidden_size,
                "max_tokens": manifest.architecture.max_tokens,
                "rows": manifest.vocabulary.rows,
                "source_rows": manifest.vocabulary.source_rows,
                "rule": manifest.vocabulary.rule,
                "variants": [
                    {
                        "name": record.name.value,
                        "loaded": record.name.value == self._variant,
                        "bytes": record.bytes,
                        "texts": record.vector_parity.texts,
                        "mean_cosine": record.vector_parity.mean_cosine,
                        "min_cosine": record.vector_parity.min_cosine,
                        "floor": record.vector_parity.floor,
                    }
                    for record in manifest.variants
                ],
                "plots": [_RECORDED],
            }
        )

    async def measured(self, request: Request) -> Response:
        """Where the measurement stands, and the last results there are."""
        found = self._measuring.snapshot
        report = found.report
        return JSONResponse(
            {
                "state": found.state.value,
                "progress": found.progress,
                "report": None if report is None else json.loads(report.to_json()),
                "plots": list(_measured_plots(report)),
            }
        )

    async def start(self, request: Request) -> Response:
        """Begin to measure; a measurement that runs goes on."""
        self._measuring.start()
        return await self.measured(request)

    async def stop(self, request: Request) -> Response:
        """Stop measuring, which takes a moment."""
        self._measuring.stop()
        return await self.measured(request)

    async def plot(self, request: Request) -> Response:
        """A plot, by its name. Raises RequestError 404 if there is none of that name."""
        name = request.path_params["name"]
        plots = self._plots()
        if name not in plots:
            known = ", ".join(plots)
            raise RequestError(
                HTTPStatus.NOT_FOUND, f"there is no plot {name!r}; there are {known}"
            )
        headers = {"Content-Security-Policy": PLOT_POLICY}
        return Response(plots[name], media_type="image/svg+xml", headers=headers)

    def _plots(self) -> Mapping[str, str]:
        report = self._measuring.snapshot.report
        return {_RECORDED: self._recorded, **_measured_plots(report)}


def _measured_plots(report: BenchReport | None) -> Mapping[str, str]:
    return {} if report is None else report_plots(report)


def recorded_plot(manifest: Manifest) -> str:
    """Size against the parity that the build measured, as SVG."""
    points = [
        Point(
            record.name.value,
            record.bytes / 1e6,
            record.vector_parity.mean_cosine,
            Engine.of(record.name).value,
        )
        for record in manifest.variants
    ]
    return scatter(
        "Size against quality, as recorded in the bundle",
        points,
        Axis("size on disk, MB", log=True),
        Axis("mean cosine to PyTorch float32", largest=1.0),
    )
