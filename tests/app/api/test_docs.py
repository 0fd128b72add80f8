"""The API as a page and as a document: all of it there, from nowhere else."""

import json
import re

from starlette.testclient import TestClient


def test_the_docs_need_nothing_from_outside(http: TestClient) -> None:
    page = http.get("/docs").text
    assets = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert [asset for asset in assets if asset.startswith(("http:", "https:", "//"))] == []
    for asset in assets:
        if asset.startswith("/"):
            assert http.get(asset).status_code == 200, asset
    assert "5." in http.get("/assets/swagger-ui/swagger-ui-bundle.js").text[:200_000]


def test_the_root_leads_to_the_docs(http: TestClient) -> None:
    answer = http.get("/", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "/docs")
    assert http.get("/").headers["content-type"].startswith("text/html")


def test_the_openapi_document_has_every_call_with_its_problems(http: TestClient) -> None:
    document = http.get("/openapi.json").json()
    paths = {(path, method) for path, item in document["paths"].items() for method in item}
    for path, method in [
        ("/v1/runs", "post"),
        ("/v1/runs/{run}/windows", "post"),
        ("/v1/runs/{run}/revisions", "post"),
        ("/v1/runs/{run}/rewind", "post"),
        ("/v1/schedules/evaluate", "post"),
    ]:
        assert (path, method) in paths
    assert document["openapi"].startswith("3.")
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert references <= set(document["components"]["schemas"])
    assert "$defs" not in json.dumps(document["paths"])
    for path, item in document["paths"].items():
        for operation in item.values():
            assert path in ("/healthz", "/readyz") or "4XX" in operation["responses"], path
            assert "422" not in operation["responses"], path
