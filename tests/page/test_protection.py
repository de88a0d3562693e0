"""Pages of other sites get nothing, and the page loads nothing from elsewhere."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

MakeClient = Callable[..., TestClient]

PATHS = ("/", "/ui/app.js", "/ui/index", "/ui/plots/recorded.svg")


def test_answers_say_what_a_browser_may_do(make_client: MakeClient) -> None:
    client = make_client()
    for path in PATHS:
        answer = client.get(path)
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; ")
        # A plot has its style inside, and is shut off instead.
        assert ("unsafe-inline" in policy) == ("sandbox" in policy) == path.endswith(".svg")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_another_sites_page_loads_is_refused(make_client: MakeClient, site: str) -> None:
    client = make_client()
    for path in PATHS:
        assert client.get(path, headers={"sec-fetch-site": site}).status_code == 403, path


@pytest.mark.parametrize("headers", [{}, {"sec-fetch-site": "same-origin"}])
def test_the_page_itself_and_programs_are_answered(
    make_client: MakeClient, headers: dict[str, str]
) -> None:
    assert make_client().get("/ui/index", headers=headers).status_code == 200


def test_a_link_on_another_site_may_lead_to_the_page(make_client: MakeClient) -> None:
    link = {
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document",
    }
    assert make_client().get("/", headers=link).status_code == 200
    framed = link | {"sec-fetch-dest": "iframe"}
    assert make_client().get("/", headers=framed).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://example.com"},
        {"sec-fetch-site": "cross-site"},
        {"host": "example.com", "origin": "http://example.com"},
    ],
)
def test_another_site_cannot_ask_for_work(make_client: MakeClient, headers: dict[str, str]) -> None:
    client = make_client()
    for path in ("search", "segments", "open", "measurement/start"):
        answer = client.post(f"/ui/{path}", json={"text": "a"}, headers=headers)
        assert answer.status_code in (400, 403), path
    assert client.get("/ui/measurement").json()["state"] == "none"


def test_only_the_pages_own_files_are_there(make_client: MakeClient) -> None:
    client = make_client()
    for path in ("../finding.py", "..%2ffinding.py", "%2e%2e/finding.py", "x.js"):
        assert client.get(f"/ui/{path}").status_code == 404, path


def test_the_protocols_are_as_without_a_page(make_client: MakeClient) -> None:
    client = make_client()
    # TEI's clients post to "/".
    assert len(client.post("/", json={"inputs": "a"}).json()[0]) == 64
    assert client.get("/health").json() == {"status": "ok"}


@pytest.mark.parametrize(
    "path",
    [
        "/ui/%2e%2e/routes.py",
        "/ui/..%2froutes.py",
        "/ui/..%5croutes.py",
        "/ui/%2e%2e%2f%2e%2e%2ferrors.py",
        "/ui/app.js/%2e%2e/%2e%2e/routes.py",
        "/ui/%2fetc/hostname",
        "/ui//etc/hostname",
        "/ui/%252e%252e/routes.py",
        "/ui/a%00.js",
        "/ui/" + "a" * 5000,
        "/ui/",
        "/ui/%ff",
    ],
)
def test_no_path_leaves_the_folder_of_the_page(make_client: MakeClient, path: str) -> None:
    answer = make_client().get(path)
    assert answer.status_code in (400, 404), answer.text
    assert "import" not in answer.text
