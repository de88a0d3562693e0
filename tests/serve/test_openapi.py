"""The OpenAPI document says what there is."""

import re
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient


def test_every_route_is_described_and_nothing_else(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    described = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
    }
    app = client.app
    assert isinstance(app, Starlette)
    routed = {
        (method, route.path.replace(":path}", "}"))
        for route in app.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert described == routed
    assert len(described) == 15


def test_every_reference_leads_to_a_schema(client: TestClient) -> None:
    response = client.get("/openapi.json")
    references = set(re.findall(r'"#/components/schemas/(\w+)"', response.text))
    document: dict[str, Any] = response.json()
    assert references == set(document["components"]["schemas"])
    assert len(references) == 7


def test_operations_have_names_of_their_own(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    names = [
        operation["operationId"]
        for operations in document["paths"].values()
        for operation in operations.values()
    ]
    assert len(names) == len(set(names))
