"""Connecting, with a Ray that is played by a class: what is refused, and what is put back."""

import os
import socket
import sys
from typing import Any

import pytest

from ondol.dataset.ray_cluster import connected, import_ray
from ondol.errors import InputError, MissingDependencyError


class FakeRay:
    """initialized: whether the process is connected. error: of init."""

    def __init__(self, *, initialized: bool = False, error: Exception | None = None) -> None:
        self.initialized = initialized
        self.error = error
        self.options: dict[str, Any] = {}
        self.reports = ""

    def is_initialized(self) -> bool:
        return self.initialized

    def init(self, **options: Any) -> None:
        self.options = options
        self.reports = os.environ.get("RAY_USAGE_STATS_ENABLED", "")
        os.environ["SET_BY_RAY"] = "1"
        if self.error is not None:
            raise self.error
        self.initialized = True

    def shutdown(self) -> None:
        self.initialized = False


def test_a_cluster_of_ones_own_has_no_dashboard_and_reports_nothing() -> None:
    ray, before = FakeRay(), dict(os.environ)
    with connected(ray, None):
        assert ray.initialized
        assert ray.options["address"] == "local"
        assert ray.options["include_dashboard"] is False
        assert ray.reports == "0"
    assert not ray.initialized
    assert dict(os.environ) == before


def test_a_cluster_at_an_address_is_taken_as_it_is() -> None:
    ray, before = FakeRay(), dict(os.environ)
    with connected(ray, "auto"):
        assert ray.options["address"] == "auto"
        assert "include_dashboard" not in ray.options
    assert not ray.initialized
    assert dict(os.environ) == before


def test_a_connection_that_is_there_is_used_and_stays() -> None:
    ray = FakeRay(initialized=True)
    with connected(ray, None):
        assert ray.options == {}
    assert ray.initialized
    with (
        pytest.raises(InputError, match="is connected to a Ray cluster already"),
        connected(ray, "head:6379"),
    ):
        pass


def test_an_error_in_the_block_ends_the_connection_and_is_not_taken_for_one_of_ray() -> None:
    ray = FakeRay()
    with pytest.raises(ValueError, match="mine"), connected(ray, None):
        raise ValueError("mine")
    assert not ray.initialized


def test_no_cluster_at_the_address_is_named() -> None:
    before = dict(os.environ)
    ray = FakeRay(error=ConnectionError("nobody answers"))
    with (
        pytest.raises(InputError, match="no Ray cluster is at auto: nobody answers"),
        connected(ray, "auto"),
    ):
        pass
    assert dict(os.environ) == before


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_where_nobody_listens_is_not_even_tried(scheme: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and does not listen
        address = f"{scheme}127.0.0.1:{unused.getsockname()[1]}"
        ray = FakeRay()
        with (
            pytest.raises(InputError, match=f"no Ray cluster is at {address}: .*refused"),
            connected(ray, address),
        ):
            pass
    assert ray.options == {}


def test_without_ray_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'ondol\[ray\]'"):
        import_ray()
