#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
# The package on an emulated aarch64 Debian: the packages that requirements/robot.sh asks for, the renderer compiled
# there, two seconds of the avatar, held against this machine's. As root, on Debian or Ubuntu x86-64; 2 GB.
#
#   tools/aarch64/try.sh DIRECTORY
#
# DIRECTORY keeps the emulated root, so that a second run starts where the first one ended. It shows that things install
# and give the same numbers, not how fast they are. Packages are unpacked and chosen by this machine for that one, which
# takes minutes; in emulation only the compiler and the avatar run.
set -euo pipefail
directory=$(realpath -m "${1:?"expected a directory for the emulated root"}")
here=$(cd "$(dirname "$0")/../.." && pwd)
root=$directory/root
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
version=3.11 # of Debian 12

[ "$(id -u)" -eq 0 ] || { echo "Expected root: an emulated root file system is made and entered" >&2; exit 1; }
if ! command -v debootstrap qemu-aarch64-static update-binfmts >/dev/null; then
  apt-get update -qq && apt-get install -y -qq debootstrap qemu-user-static binfmt-support >/dev/null
fi
mountpoint -q /proc/sys/fs/binfmt_misc || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
update-binfmts --enable qemu-aarch64

if [ ! -e "$root/made" ]; then
  mkdir -p "$root"
  debootstrap --arch=arm64 --foreign --variant=minbase --include=python3,python3-dev,gcc,libc6-dev bookworm "$root" "$mirror"
  # The second stage configures packages in emulation, for an hour on a busy machine. Unpacked they run as well.
  for package in "$root"/var/cache/apt/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --keep-directory-symlink
  done
  touch "$root/made"
fi
if [ ! -e "$root/site" ]; then
  platforms=(--platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 --platform manylinux_2_17_aarch64 --platform manylinux2014_aarch64)
  "$here/.venv/bin/python" -m pip install -q --target "$directory/site" "${platforms[@]}" --python-version $version --implementation cp \
    --abi "cp${version/./}" --abi abi3 --abi none --only-binary :all: -r "$here/requirements/runtime.txt"
  mv "$directory/site" "$root/site"
fi
rm -rf "$root/package" && mkdir "$root/package"
git -C "$here" ls-files -z | tar -C "$here" --null -T - -cf - | tar -C "$root/package" -xf -

enter() { chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/bin:/bin PYTHONPATH=/site:/package PYTHONDONTWRITEBYTECODE=1 "$@"; }
[ "$(enter uname -m)" = aarch64 ] || { echo "Expected the root to say aarch64, got $(enter uname -m)" >&2; exit 1; }
drawing=/package/avatar_forcing_ros/motion/facemesh/drawing
enter gcc -shared -fPIC "@$drawing/kernels.flags" -I/usr/include/python$version $drawing/kernels.c \
  -o "/package/avatar_forcing_ros/_drawing.cpython-${version/./}-aarch64-linux-gnu.so"
rm -rf "$root/root/.cache"
enter python$version /package/tools/aarch64/two_seconds.py /tmp/two_seconds.npz

native() { PYTHONPATH="$here" "$here/.venv/bin/python" "$here/tools/aarch64/two_seconds.py" "$@"; }
rm -rf "$directory/cache"
XDG_CACHE_HOME="$directory/cache" native "$directory/here.npz"
native --compare "$directory/here.npz" "$root/tmp/two_seconds.npz"
# The renderer alone: the portrait as it was prepared there, drawn here. Kept portraits are named by the libraries' versions.
kept=("$directory"/cache/avatar_forcing_ros/*.npz)
cp "$root"/root/.cache/avatar_forcing_ros/*.npz "${kept[0]}"
XDG_CACHE_HOME="$directory/cache" native "$directory/drawn.npz"
native --drawing "$directory/drawn.npz" "$root/tmp/two_seconds.npz"
