"""What the Dockerfiles promise: any base, no root, pins that are the project's own, nothing of this machine inside."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tasks.job_profile import USER

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ("airflow", "broker", "mlflow", "sandbox", "trainer")
WITH_PACKAGES = ("airflow", "mlflow", "trainer")


def dockerfile(image: str) -> str:
    return (ROOT / "containers" / image / "Dockerfile").read_text()


def pins(path: Path) -> dict[str, str]:
    """Package names and versions of a requirements file; anything but `name==version` is an error."""
    found = {}
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            name, version = re.fullmatch(r"([A-Za-z0-9._-]+)==([^ ;]+)", line).groups()  # type: ignore[union-attr]
            found[canonicalize_name(name)] = version.removesuffix("+cpu")
    return found


def image_pins(image: str) -> dict[str, str]:
    return pins(ROOT / "containers" / image / "requirements.txt")


@pytest.fixture(scope="module")
def project() -> dict[str, str]:
    return pins(ROOT / "requirements.txt")


@pytest.fixture(scope="module")
def only_in_images() -> dict[str, str]:
    return pins(ROOT / "containers" / "only-in-images.txt")


@pytest.mark.parametrize("image", IMAGES)
def test_any_base_serves_and_nothing_runs_as_root(image: str) -> None:
    text = dockerfile(image)
    stages = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert text.index("ARG BASE_IMAGE=python:3.11-slim-bookworm") < text.index("FROM")
    assert set(stages) == {"${BASE_IMAGE}"}
    final = text[text.rindex("FROM ") :]
    assert re.search(r"^USER [1-9]\d{3,}:[1-9]\d{3,}$", final, re.MULTILINE)
    assert "org.opencontainers.image.revision" in final
    assert "HEALTHCHECK" in final
    assert "chmod 1777 /tmp" in final


def test_the_sandbox_s_user_is_nobody_else_s() -> None:
    """RLIMIT_NPROC counts per user, across containers: threads of a job would leave programs none."""
    users = {image: re.search(r"^USER (.+)$", dockerfile(image), re.MULTILINE)[1] for image in IMAGES}  # type: ignore[index]
    assert users.pop("sandbox") not in {*users.values(), USER}


@pytest.mark.parametrize("image", WITH_PACKAGES)
def test_what_a_build_needs_of_this_machine_stays_in_its_first_stage(image: str) -> None:
    first, final = dockerfile(image).split("\nFROM ${BASE_IMAGE}\n")
    assert "COPY containers/extra/ /extra/" in first
    assert "extra" not in final
    assert "install.sh" not in final


@pytest.mark.parametrize("image", IMAGES)
def test_what_is_copied_is_there_and_let_through_to_the_build(image: str) -> None:
    """Docker leaves out what .dockerignore does not name, and the build ends there."""
    let_through = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"]
    copied = [line.split()[1:-1] for line in dockerfile(image).splitlines() if line.startswith("COPY ")]
    sources = [source for one in copied if not one[0].startswith("--from") for source in one]
    assert sources
    for source in sources:
        assert list(ROOT.glob(source)), source
        assert any(Path(source).is_relative_to(name) for name in let_through), source


def test_git_and_docker_see_only_what_they_should() -> None:
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"
    ignored = (ROOT / "containers/extra/.gitignore").read_text().split()
    assert ignored == ["*", "!.gitignore", "!README.md"]


@pytest.mark.parametrize("image", WITH_PACKAGES)
def test_an_image_s_packages_are_the_project_s_own(
    image: str, project: dict[str, str], only_in_images: dict[str, str]
) -> None:
    """The same versions as in requirements.txt; what is not there is named in containers/only-in-images.txt."""
    assert project.keys().isdisjoint(only_in_images)
    allowed = {**project, **only_in_images}
    assert {
        name: version for name, version in image_pins(image).items() if allowed.get(name) != version
    } == {}


def test_no_pin_is_left_over(only_in_images: dict[str, str]) -> None:
    used = {name for image in WITH_PACKAGES for name in image_pins(image)}
    assert set(only_in_images) - used == set()


@pytest.mark.parametrize("image", WITH_PACKAGES)
def test_packages_bring_all_that_they_need_in_versions_that_fit(image: str) -> None:
    """Read from the packages that are installed here; the build checks all of them (`uv pip check`)."""
    chosen = image_pins(image)
    problems = []
    for name in chosen:
        try:
            needed = [Requirement(text) for text in requires(name) or ()]
        except PackageNotFoundError:
            continue
        for one in needed:
            if one.marker and not one.marker.evaluate({"extra": ""}):
                continue
            version = chosen.get(canonicalize_name(one.name))
            if canonicalize_name(one.name).startswith(("nvidia-", "cuda-", "triton")):
                continue  # torch's CUDA build names its own
            if version is None or not one.specifier.contains(version, prereleases=True):
                problems.append(f"{name} needs {one}, {version} is there")
    assert problems == []


@pytest.mark.parametrize("image", WITH_PACKAGES)
def test_every_package_asked_for_is_pinned(image: str) -> None:
    lines = (ROOT / "containers" / image / "requirements.in").read_text().splitlines()
    asked = {canonicalize_name(Requirement(line).name) for line in lines if line and not line.startswith("#")}
    assert asked <= set(image_pins(image))


def test_airflow_has_no_torch_and_jobs_have_no_airflow_and_the_sandbox_has_nothing() -> None:
    assert not {"torch", "transformers", "great-expectations"} & set(image_pins("airflow"))
    assert not [name for name in image_pins("trainer") if "airflow" in name]
    for image in ("sandbox", "broker"):
        assert "pip" not in dockerfile(image)
        assert "venv" not in dockerfile(image)
