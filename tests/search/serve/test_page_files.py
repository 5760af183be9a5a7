"""The page's own files: complete, from nowhere else, and only these."""

import re
import subprocess
import tomllib

import pytest
from shared_data import REPOSITORY

PAGE = REPOSITORY / "search" / "serve" / "page"


def test_every_file_the_page_names_is_served(client):
    names, seen = ["index.html"], set()
    while names:
        name = names.pop()
        if name in seen:
            continue
        seen.add(name)
        response = client.get("/" if name == "index.html" else f"/page/{name}")
        assert response.status_code == 200, name
        found = re.findall(r'(?:src|href)="/page/([^"]+)"|from "\./([^"]+)"', response.text)
        names += [one or other for one, other in found]
    assert seen == {path.name for path in PAGE.iterdir()}


def test_nothing_comes_from_elsewhere():
    for path in PAGE.iterdir():
        addresses = set(re.findall(r"https?://[^\s\"'<)]+", path.read_text()))
        assert addresses <= {"http://www.w3.org/2000/svg"}, path.name


def test_no_script_or_style_stands_in_the_page():
    html = (PAGE / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", html)


@pytest.mark.parametrize(
    "path",
    ["/page/../app.py", "/page/%2e%2e/app.py", "/page/..%2fapp.py", "/page//etc/passwd",
     "/page/index.html%00.js", "/page/", "/app.py", "/static/../serve/app.py", "/docs", "/redoc"],
)  # fmt: skip
def test_no_other_file_is(client, path):
    assert client.get(path).status_code == 404


def test_a_browser_that_holds_a_file_is_told_so(client):
    first = client.get("/page/app.js")
    assert first.headers["content-type"] == "text/javascript; charset=utf-8"
    assert (
        client.get("/page/app.js", headers={"if-none-match": first.headers["etag"]}).status_code
        == 304
    )


def test_the_wheel_holds_the_page():
    # hatch packs every file below its packages, except what git ignores or its table excludes.
    wheel = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert "search" in wheel["targets"]["wheel"]["packages"]
    assert set(wheel["targets"]["wheel"]) == {"packages"}
    tracked = ["git", "ls-files", "--", str(PAGE)]
    listed = subprocess.run(tracked, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    names = {line.rpartition("/")[2] for line in listed.stdout.splitlines()}
    assert names == {path.name for path in PAGE.iterdir()}
