"""All paths of the page."""

from importlib.resources import files
from pathlib import Path

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from ondol.manifest import Manifest
from ondol.page.finding import Finding, OpenIndex
from ondol.page.measuring import Measuring
from ondol.page.model import ModelTab
from ondol.page.opening import Opener, Opening
from ondol.page.protection import Protection
from ondol.page.segments import SegmentTab
from ondol.serve.limits import Limits

#: Below it lies everything but the page itself.
PREFIX = "/ui"

#: What a person types is short.
_LIMITS = Limits(body_bytes=200_000)


def page_routes(
    bundle: Path,
    manifest: Manifest,
    *,
    name: str,
    variant: str,
    measuring: Measuring,
    opened: OpenIndex | None,
    opener: Opener | None,
    full_tokenizer: Path | None,
) -> list[BaseRoute]:
    """The page at "/", its files and what its scripts ask for.

    Args:
        bundle: of the loaded model.
        name: of the model, to be shown.
        variant: the loaded one.
        measuring: of the same bundle.
        opened: the index to search; None shows how to make one.
        opener: of the files in which passages are found; None leaves them to be copied by path.
        full_tokenizer: the tokenizer.json that the bundle's was pruned from, to compare them.

    Raises CheckpointError if a tokenizer cannot be read.
    """
    opening = Opening(opener, _LIMITS)
    parts = (
        Finding(opened, opening, _LIMITS),
        opening,
        ModelTab(manifest, name=name, variant=variant, measuring=measuring),
        SegmentTab(bundle / manifest.tokenizer.path, full_tokenizer, _LIMITS),
    )
    static = _static()

    async def page(request: Request) -> Response:
        return FileResponse(static / "index.html")

    protection = [Middleware(Protection)]
    return [
        Route("/", page, methods=["GET"], middleware=protection),
        Mount(
            PREFIX,
            routes=[
                *(endpoint.route() for part in parts for endpoint in part.endpoints()),
                Mount("/", StaticFiles(directory=static)),
            ],
            middleware=protection,
        ),
    ]


def _static() -> Path:
    return Path(str(files("ondol.page") / "static"))
