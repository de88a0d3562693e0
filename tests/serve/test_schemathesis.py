"""Requests that schemathesis makes up from the OpenAPI document: such as fit it, and others."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    status_code_conformance,
)
from starlette.testclient import TestClient

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    negative_data_rejection,
]

#: Its requests are large and often not the ones it wanted.
SETTINGS = settings(max_examples=30, suppress_health_check=list(HealthCheck), database=None)


@pytest.mark.parametrize(
    ("mode", "methods", "number"),
    [
        (GenerationMode.POSITIVE, {"GET", "POST"}, 14),  # all but that of the document itself
        (GenerationMode.NEGATIVE, {"POST"}, 7),  # a GET here has nothing that could be wrong
    ],
)
def test_every_answer_is_one_that_the_document_names(
    client: TestClient, mode: GenerationMode, methods: set[str], number: int
) -> None:
    api = schemathesis.openapi.from_asgi("/openapi.json", client.app)
    operations = [found.ok() for found in api.get_all_operations()]
    asked = [operation for operation in operations if operation.method.upper() in methods]
    assert len(asked) == number
    for operation in asked:

        @SETTINGS
        @given(operation.as_strategy(generation_mode=mode))
        def answer(case: Case) -> None:
            case.call_and_validate(checks=CHECKS)

        answer()
