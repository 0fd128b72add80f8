"""The repository as a whole: what stands where, which names are public, and whether the packaging files agree."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).parent.parent
SOURCES = ("app", "schemas", "clients/lockstep", "benchmarks", "demo")


def toml(path: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / path).read_text())


def pins() -> dict[str, str]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    return {name.lower().replace("_", "-"): version for name, version in (line.split("==") for line in lines)}


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def wheel(project: Path, folder: Path) -> Path:
    """The project's wheel, unpacked: all that a user gets."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder / "wheels")]
    subprocess.run(build, cwd=project, check=True, capture_output=True)
    (built,) = (folder / "wheels").glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


@pytest.mark.parametrize("path", [path for folder in SOURCES for path in modules(folder)], ids=str)
def test_a_module_says_what_lives_in_it(path: Path) -> None:
    text = path.read_text()
    assert not text.strip() or text.startswith('"""'), f"{path} has no docstring"


@pytest.mark.parametrize(("tests", "source"), [("app", "app"), ("schemas", "schemas"), ("clients", "clients/lockstep")])
def test_test_folders_mirror_source_folders(tests: str, source: str) -> None:
    """`app/x/y.py` is tested in `tests/app/x`: files are found by guessing."""
    folders = {path.parent.relative_to(ROOT / "tests" / tests) for path in (ROOT / "tests" / tests).rglob("test_*.py")}
    assert [folder for folder in folders if not (ROOT / source / folder).is_dir()] == []


def test_both_distributions_have_one_version() -> None:
    server, client = toml("pyproject.toml")["project"], toml("clients/pyproject.toml")["project"]
    assert server["version"] == client["version"]
    assert f"[{server['version']}]" in (ROOT / "CHANGELOG.md").read_text()
    assert f"lockstep:{server['version']}" in (ROOT / "docker-compose.yml").read_text()


def test_the_client_needs_httpx_and_nothing_else() -> None:
    assert [re.split(r"[<>=]", need)[0] for need in toml("clients/pyproject.toml")["project"]["dependencies"]] == [
        "httpx"
    ]


def test_every_dependency_is_pinned() -> None:
    project = toml("pyproject.toml")["project"]
    needs = project["dependencies"] + [need for extra in project["optional-dependencies"].values() for need in extra]
    names = {re.split(r"[\[<>=;]", need)[0].strip() for need in needs}
    assert names - set(pins()) == set()


def test_torch_is_pinned_without_a_local_version() -> None:
    assert pins()["torch"] == "2.13.0"
    assert not [version for version in pins().values() if "+" in version]


@pytest.mark.parametrize(
    ("target", "packages"),
    [
        ("serve", "-e ."),
        ("demo", "-e '.[demo]' -e ./clients"),
        ("test-core", "-e '.[dev,plot]' -e './clients[cli]'"),
        ("test", "-e '.[demo,dev,frameworks,plot]' -e './clients[cli]'"),
    ],
)
def test_a_command_installs_what_it_needs_and_says_so_first(target: str, packages: str) -> None:
    told = subprocess.run(
        ["make", "--dry-run", "--always-make", target], cwd=ROOT, capture_output=True, text=True, check=True
    )
    installs = [line for line in told.stdout.splitlines() if "pip install" in line and "--no-deps" not in line]
    assert [line.partition("constraints.txt ")[2] for line in installs] == [packages]
    assert told.stdout.index("Installing into .venv") < told.stdout.index("pip install")


def test_the_demo_needs_one_framework() -> None:
    extras = toml("pyproject.toml")["project"]["optional-dependencies"]
    assert {re.split(r"[<>=]", need)[0] for need in extras["demo"]} == {"torch", "scikit-learn"}


def test_a_commit_is_put_through_the_checks_of_this_repository() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repository in config["repos"] for hook in repository["hooks"]]
    assert [hook["entry"].split()[0] for hook in hooks] == [
        ".venv/bin/ruff",
        ".venv/bin/ruff",
        ".venv/bin/lint-imports",
    ]
    assert {repository["repo"] for repository in config["repos"]} == {"local"}


def test_the_notes_of_a_release_are_its_part_of_the_changelog(tmp_path: Path) -> None:
    """The awk line of .ci/release, on a changelog of three versions."""
    program = re.search(r"awk -v version=\"\$version\" '(.*)' CHANGELOG", (ROOT / ".ci" / "release").read_text())
    assert program is not None
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text("# Changelog\n\n## [0.3.0] - x\n\n- c\n\n## [0.2.0] - y\n\n- b\n\n## [0.1.0] - z\n\n- a\n")
    notes = subprocess.run(
        ["awk", "-v", "version=0.2.0", program[1], str(changelog)], capture_output=True, text=True, check=True
    )
    assert notes.stdout == "## [0.2.0] - y\n\n- b\n\n"


def test_importing_the_client_loads_no_framework() -> None:
    heavy = ["numpy", "pydantic", "torch", "jax", "transformers", "keras", "app", "schemas"]
    code = f"import sys, lockstep; sys.exit(', '.join(n for n in {heavy} if n in sys.modules) or 0)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "clients", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"importing lockstep loads {done.stderr}"


def test_importing_the_service_does_nothing(tmp_path: Path) -> None:
    """No file, no thread, no socket at import: `create_app` and its lifespan own every resource."""
    code = "import threading, app.main; assert threading.active_count() == 1"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, env={"PYTHONPATH": str(ROOT)})
    assert list(tmp_path.iterdir()) == []


def test_the_wheel_of_the_service_works_alone(tmp_path: Path) -> None:
    """Migrations and assets are in it: it makes a database and shows the API's documentation without this checkout."""
    unpacked = wheel(ROOT, tmp_path)
    command = [sys.executable, "-m", "app.main", "db", "upgrade", "--database-url", "sqlite:///new.db"]
    environment = {"PYTHONPATH": str(unpacked), "PATH": ""}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert (tmp_path / "new.db").exists()
    assert (unpacked / "app" / "api" / "assets" / "swagger-ui" / "swagger-ui-bundle.js").exists()
    names = {path.name for path in unpacked.iterdir()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"app", "schemas"}


def test_the_wheel_of_the_client_is_typed_and_holds_nothing_else(tmp_path: Path) -> None:
    unpacked = wheel(ROOT / "clients", tmp_path)
    assert (unpacked / "lockstep" / "py.typed").exists()
    names = {path.name for path in unpacked.iterdir()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"lockstep"}


def test_compose_starts_the_image_on_a_volume_with_a_health_check() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    service = compose["services"]["lockstep"]
    volume, folder = service["volumes"][0].split(":")
    assert volume in compose["volumes"]
    assert service["environment"]["LOCKSTEP_DATABASE_URL"].startswith(f"sqlite:///{folder}/")
    assert service["ports"] == ["127.0.0.1:8000:8000"]
    assert "readyz" in service["healthcheck"]["test"][-1]


def test_the_manifest_is_valid_and_never_doubles_a_service_on_sqlite() -> None:
    documents = list(yaml.safe_load_all((ROOT / "deploy" / "kubernetes.yaml").read_text()))
    for document in documents:
        kubernetes_validate.validate(document, "1.31", strict=True)
    by_kind = {document["kind"]: document["spec"] for document in documents}
    deployment = by_kind["Deployment"]
    assert deployment["replicas"] == 1
    assert deployment["strategy"] == {"type": "Recreate"}
    container = deployment["template"]["spec"]["containers"][0]
    assert container["image"] == f"lockstep:{toml('pyproject.toml')['project']['version']}"
    assert by_kind["Service"]["selector"] == deployment["selector"]["matchLabels"]


def test_the_image_runs_as_a_plain_user_and_stops_on_sigterm() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users
    assert not users[-1].startswith(("root", "0"))
    assert "STOPSIGNAL SIGTERM" in lines
    assert any(line.startswith("HEALTHCHECK ") for line in lines)


def test_the_image_copies_what_exists_and_is_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), source
                assert f"!{source}" in ignored, source


def test_jobs_of_several_processes_share_one_worker(request: pytest.FixtureRequest) -> None:
    """They need the cores; pytest-xdist groups by a suffix of the name, and says nothing where it cannot."""
    if not request.config.getoption("loadgroup", default=False):
        pytest.skip("needs pytest-xdist: pytest -n 2 --dist loadgroup")
    jobs = [item for item in request.session.items if item.get_closest_marker("distributed")]
    assert [item.nodeid for item in jobs if not item.nodeid.endswith("@distributed")] == []
