# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The package for pip: the core, the command line and training, on any machine, without ROS and without messages.

`colcon build` uses CMakeLists.txt instead. The version and the description stand once, in package.xml.

The bundled model needs no torch; training and the authors' weights do. On Linux x86-64, PyPI has torch only as a CUDA
build of several gigabytes. If the CPU build will do, install it first: requirements/install_torch.sh PYTHON cpu.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from setuptools import Extension, find_packages, setup

ROOT = Path(__file__).parent
SHARE = "share/avatar_forcing_ros"
DRAWING = "avatar_forcing_ros/motion/facemesh/drawing"
TORCH = "torch>=2.6"
KINDS = ("npz", "npy", "txt", "yaml", "json", "html", "css", "js", "svg")  # of files beside the sources


def requirements(name: str) -> list[str]:
    """Requirements of a file in requirements/, its comments left out."""
    lines = (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()
    return [bare for line in lines if (bare := line.split("#")[0].strip())]


def data_files(*folders: str) -> list[tuple[str, list[str]]]:
    """Everything in the folders, laid out as a ROS installation does, which is where the package looks for it."""
    paths = [path.relative_to(ROOT) for folder in folders for path in sorted((ROOT / folder).rglob("*"))]
    return [(f"{SHARE}/{path.parent}", [str(path)]) for path in paths if (ROOT / path).is_file()]


manifest = ElementTree.parse(ROOT / "package.xml").getroot()

setup(
    name="avatar-forcing-ros",
    version=manifest.findtext("version"),
    description=" ".join((manifest.findtext("description") or "").split()),
    long_description=(ROOT / "README.md").read_text(encoding="utf-8") if (ROOT / "README.md").is_file() else "",
    long_description_content_type="text/markdown",
    author="The avatar_forcing_ros contributors",
    license=manifest.findtext("license"),
    keywords=["avatar", "talking head", "listening head", "ROS 2", "social robot", "kiosk"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Topic :: Multimedia :: Graphics",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    python_requires=">=3.10,<3.15",
    packages=find_packages(include=["avatar_forcing_ros*"], exclude=["avatar_forcing_ros.nodes*"]),
    ext_modules=[
        Extension(
            "avatar_forcing_ros._drawing",
            [f"{DRAWING}/kernels.c"],
            extra_compile_args=[f"@{ROOT / DRAWING}/kernels.flags", "-g0"],  # no folders of the builder's machine
        )
    ],
    package_data={"avatar_forcing_ros": [*(f"**/*.{kind}" for kind in KINDS), "py.typed"]},
    data_files=data_files("config", "examples", "models", "msg"),
    install_requires=requirements("runtime.txt"),
    extras_require={
        "published": [TORCH, *requirements("published.txt")],
        "pictures": requirements("pictures.txt"),
        "train": [TORCH, *requirements("train.txt"), *requirements("pictures.txt")],
    },
    entry_points={"console_scripts": ["avatar-forcing = avatar_forcing_ros.cli:main"]},
    zip_safe=False,
)
