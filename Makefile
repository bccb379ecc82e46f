# From a fresh clone, each command below does all the set-up it needs; the second time it starts at once.
#
#   make demo    runs the nodes on a recorded conversation; writes out/demo.mp4 and prints a latency table
#   make kiosk   the avatar in a browser, with this computer's camera and microphone; prints the address to open
#   make test    all tests, ROS nodes included
#   make check   style, types, spelling, documentation
#   make docs    the documentation as a site in out/docs/html; a broken link is an error
#   make resolve checks that the requirements can be met on every supported Python and processor, and that the locked
#                list is current (asks the package index; takes minutes)
#   make dist    wheel and sdist in out/dist, each tried in an empty environment
#   make bench   measures the figures of the README; the last line is JSON
#   make train   trains the bundled model from scratch
#   make setup   only the environment: .venv, which is also the ROS prefix, with this package built into it
#   make clean   removes the environment
#
# Variables: PYTHON (3.10 to 3.14), ROS (jazzy or kilted), TORCH_BACKEND (cpu; cu126, cu128, auto ... for a GPU). The
# environment remembers them; a different Python or ROS makes a new one. VENV names a second environment beside the first.
# ARGS is passed on to demo, kiosk, test, bench and train:  make test ARGS='-k timeline'

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell $(BIN)/python -c 'import sys; print(sys._base_executable)' 2>/dev/null || echo python3)
ROS ?= $(or $(shell cat $(VENV)/stamps/ros 2>/dev/null),jazzy)
TORCH_BACKEND ?= $(or $(shell cat $(VENV)/stamps/torch_backend 2>/dev/null),cpu)
ARGS ?=
export PYTHON

# A ROS distribution sourced in this shell must not mix with the one in the environment.
unexport PYTHONPATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH LD_LIBRARY_PATH ROS_DISTRO RMW_IMPLEMENTATION
# Inherited from another environment of ROS wheels this stops ours from finding its libraries.
unexport _ROS_WHEELS_BOOTSTRAP_COMPLETE
# By default, ONNX Runtime sends telemetry.
export ORT_DISABLE_TELEMETRY = 1
# ament compiles what it installs.
unexport PYTHONDONTWRITEBYTECODE

# The environment is named by what made it: requirements, interpreter, torch build, place. The build by the messages, the
# lists of installed files and the scripts; Python files are linked into the environment, so editing one needs no build.
digest = $(shell { $(1); } 2>/dev/null | sha256sum | cut -c1-16)
sources := avatar_forcing_ros config examples launch models
identity := $(strip $(shell $(PYTHON) -c 'import sys; print(*sys.version_info[:3], sys.base_prefix)' 2>/dev/null) $(CURDIR) \
  $(filter-out jazzy,$(ROS)))
environment_key := $(call digest,cat requirements/*; echo $(identity) $(TORCH_BACKEND))
build_key := $(call digest,echo $(environment_key); cat CMakeLists.txt package.xml msg/* srv/* action/* scripts/* \
  avatar_forcing_ros/motion/facemesh/drawing/kernels.*; \
  find $(sources) -type f ! -name '*.pyc' | sort)
environment := $(VENV)/stamps/environment-$(environment_key)
build := $(VENV)/stamps/build-$(build_key)
# Torch and what tests, training and its pictures need: half of everything, and nothing that the nodes need.
workshop := $(VENV)/stamps/workshop-$(environment_key)
# Naming a build of torch installs it.
torch := $(if $(filter command% environment%,$(origin TORCH_BACKEND)),$(workshop))
# Another interpreter or a moved checkout needs a new environment; anything else extends the one that is there.
is_ours = $(BIN)/python -c '' 2>/dev/null && [ "$$(cat $(VENV)/stamps/identity 2>/dev/null || echo '$(identity)')" = '$(identity)' ]

.PHONY: help setup demo kiosk test check docs resolve dist bench train clean

help:
	@sed -n '/^# /s/^# //p; /^$$/q' Makefile

setup: $(build) $(torch)

demo: setup
	$(BIN)/python -m avatar_forcing_ros.nodes.demo --output out/demo.mp4 $(ARGS)

kiosk: setup
	@requirements/system.sh kiosk
	@$(BIN)/python -m avatar_forcing_ros.nodes.kiosk $(ARGS)

test: setup $(workshop)
	@requirements/system.sh test
	@# The first time, byte code is written once rather than by each of three processes.
	@[ -d test/__pycache__ ] || $(BIN)/python -m pytest --collect-only -qq -p no:cacheprovider >/dev/null 2>&1 || true
	$(BIN)/python -m pytest -n 3 --dist loadgroup --no-loadscope-reorder $(ARGS)

check: setup $(workshop)
	@$(pip_install) -r requirements/check.txt -r requirements/docs.txt
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/mdformat --check $(filter-out docs/parameters.md,$(wildcard *.md docs/*.md models/*/README.md))
	$(BIN)/python tools/build_docs.py

docs: setup $(workshop)
	@$(pip_install) -r requirements/docs.txt
	@echo "Building the pages (about 1 minute) ..."
	@$(BIN)/python tools/build_docs.py

resolve: setup
	@$(pip_install) 'uv>=0.8,<1'
	requirements/resolves.sh $(BIN)/uv
	requirements/lock.sh $(BIN)/uv check

dist: setup $(workshop)
	tools/dist.sh $(abspath $(BIN)/python)

bench: setup $(workshop)
	$(BIN)/avatar-forcing bench --json $(ARGS)

train: setup $(workshop)
	@requirements/system.sh train
	$(BIN)/avatar-forcing train $(ARGS)

clean:
	rm -rf $(VENV) out

# Without byte code the environment is 300 MB smaller; Python compiles what it imports.
pip_install = requirements/alive.sh $(BIN)/python -m pip install -qq --no-compile --disable-pip-version-check

$(environment):
	@ROS=$(ROS) requirements/system.sh setup
	@{ $(is_ours); } || { echo "Making the environment $(VENV) ..."; $(PYTHON) -m venv --clear $(VENV); }
	@touch $(VENV)/COLCON_IGNORE  # the environment holds package.xml files that are not ours to build
	@echo "Downloading and installing the packages, 0.75 GB (about 2 minutes the first time) ..."
	@$(pip_install) -r requirements/runtime.txt -r requirements/ros_$(ROS).txt -r requirements/ros.txt
	@$(pip_install) --no-deps -r requirements/bare.txt -r requirements/recogniser.txt
	@requirements/repair_ros_wheels.sh $(BIN)/python
	@requirements/slim.sh $(BIN)/python
	@$(BIN)/python -c 'import av, cv2, onnxruntime, rclpy, scipy.signal'  # fails here if at all; writes byte code
	@mkdir -p $(@D) && rm -f $(@D)/environment-*
	@echo $(ROS) > $(@D)/ros && echo '$(identity)' > $(@D)/identity && touch $@

$(workshop): $(environment)
	@echo "Downloading and installing torch and the tools for tests and training, 0.75 GB (about 2 minutes the first time) ..."
	@requirements/alive.sh requirements/install_torch.sh $(BIN)/python $(TORCH_BACKEND)
	@$(pip_install) -r requirements/runtime.txt -r requirements/published.txt -r requirements/pictures.txt -r requirements/train.txt -r requirements/test.txt
	@requirements/slim.sh $(BIN)/python
	@$(BIN)/python -c 'import aiohttp, hypothesis, matplotlib.pyplot, networkx, onnxscript, playwright.sync_api, pytest, rosbags.rosbag2, \
	  scipy.stats, torch._dynamo, torch.export, torch.onnx, transformers.models.wav2vec2.modeling_wav2vec2, xdist.dsession'  # byte code
	@rm -f $(@D)/workshop-* && echo $(TORCH_BACKEND) > $(@D)/torch_backend && touch $@

# colcon builds into the environment itself: then the package, its messages and its nodes are found without any variable.
# MAKEFLAGS, because colcon's own choice lets a busy machine compile one file at a time.
$(build): $(environment)
	@echo "Building the package (about 1 minute the first time) ..."
	@PATH="$(CURDIR)/$(BIN):$$PATH" AMENT_PREFIX_PATH="$(CURDIR)/$(VENV)" CMAKE_PREFIX_PATH="$(CURDIR)/$(VENV)" \
	  ROS_DISTRO=$(ROS) ROS_VERSION=2 ROS_PYTHON_VERSION=3 MAKEFLAGS=-j$$(nproc) \
	  requirements/alive.sh --log $(VENV)/build.log colcon --log-base $(VENV)/build/log build --build-base $(VENV)/build --install-base $(VENV) \
	  --merge-install --symlink-install --cmake-args -G Ninja -DBUILD_TESTING=OFF \
	  -DPython3_EXECUTABLE="$(CURDIR)/$(BIN)/python" -DPYTHON_EXECUTABLE="$(CURDIR)/$(BIN)/python"
	@find $(VENV)/lib/python3*/site-packages/avatar_forcing_ros $(VENV)/share/avatar_forcing_ros -xtype l -delete  # moved files
	@rm -f $(@D)/build-* && touch $@
