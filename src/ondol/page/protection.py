"""Whose requests the page's paths answer, and what a browser may do with the answers."""

from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ondol.serve.request_errors import RequestError

#: Nothing but the page's own files: no inline script or style, no frame around it.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

#: A plot carries its style inside.
PLOT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"

_HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # An update of ondol shall not meet scripts of the version before.
    "Cache-Control": "no-cache",
}

#: A request of the page itself, and an address that a person typed or chose
#: (https://www.w3.org/TR/fetch-metadata/).
_OWN_SITES = ("same-origin", "none")


class Protection:
    """Around the page's paths. Host and Origin are checked before, by the server itself.

    Raises RequestError 403 for what another site's page asks a browser to get: it could not read
    the answer, but could load it as a script or a picture and learn something of it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        site = Headers(scope=scope).get("sec-fetch-site")
        # Programs that are no browsers send none.
        if site is not None and site not in _OWN_SITES and not _is_link(scope):
            raise RequestError(
                HTTPStatus.FORBIDDEN, "requests from pages of other sites are not answered"
            )

        async def protect(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, protect)


def _is_link(scope: Scope) -> bool:
    """Whether a link led here, which leaves the other page behind."""
    headers = Headers(scope=scope)
    return (
        scope["method"] == "GET"
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )
