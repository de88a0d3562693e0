"""The OpenAPI 3.1 document of a server, from its endpoints and the models of their bodies."""

import re
from collections.abc import Sequence
from typing import Any

from pydantic.json_schema import models_json_schema

import ondol
from ondol.serve.endpoint import Endpoint

_SCHEMAS = "#/components/schemas/{model}"
_ANY = {"description": "An error, in the form of the path's protocol"}
_ERRORS = {
    "GET": ("401", "404"),
    "POST": ("400", "401", "403", "404", "408", "413", "429", "500"),
}


def document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Every endpoint with its body and the statuses of its responses."""
    bodies = {one.body for one in endpoints if one.body is not None}
    inputs = sorted(bodies, key=lambda body: (body.__module__, body.__name__))
    names, schemas = models_json_schema(
        [(body, "validation") for body in inputs], ref_template=_SCHEMAS
    )
    paths: dict[str, Any] = {}
    for one in endpoints:
        operation: dict[str, Any] = {
            "summary": one.summary,
            "operationId": f"{one.method.lower()}{re.sub(r'[^a-z0-9]+', '_', one.path)}",
            "responses": {
                "200": {"description": "The result", "content": {one.media_type: {}}},
                **dict.fromkeys(_ERRORS[one.method], _ANY),
            },
        }
        if one.body is not None:
            schema = names[one.body, "validation"]
            operation["requestBody"] = {
                "required": True,
                "content": {"application/json": {"schema": schema}},
            }
        parameters = re.findall(r"{(\w+):path}", one.path)
        if parameters:
            operation["parameters"] = [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name in parameters
            ]
        path = one.path.replace(":path}", "}")
        paths.setdefault(path, {})[one.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "ondol serve", "version": ondol.__version__},
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"key": []}],
    }
