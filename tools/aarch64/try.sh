#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
# The package on an emulated aarch64 Debian: installs it as requirements/robot.sh does on a robot, makes two seconds of
# the avatar and holds them against this machine's. As root, on Debian or Ubuntu x86-64; about 20 minutes and 2 GB.
#
#   tools/aarch64/try.sh DIRECTORY
#
# DIRECTORY keeps the emulated root, so that a second run starts where the first one ended. It shows that things install
# and give the same numbers, not how fast they are.
set -euo pipefail
directory=$(realpath -m "${1:?"expected a directory for the emulated root"}")
here=$(cd "$(dirname "$0")/../.." && pwd)
root=$directory/root
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

[ "$(id -u)" -eq 0 ] || { echo "Expected root: an emulated root file system is made and entered" >&2; exit 1; }
if ! command -v debootstrap qemu-aarch64-static update-binfmts >/dev/null; then
  apt-get update -qq && apt-get install -y -qq debootstrap qemu-user-static binfmt-support >/dev/null
fi
mountpoint -q /proc/sys/fs/binfmt_misc || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
update-binfmts --enable qemu-aarch64

if [ ! -e "$root/made" ]; then
  mkdir -p "$root"
  debootstrap --arch=arm64 --foreign --variant=minbase --include=python3,python3-pip,python3-venv,python3-dev,gcc,libc6-dev,ca-certificates \
    bookworm "$root" "$mirror"
  cp "$(command -v qemu-aarch64-static)" "$root/usr/bin/"
  chroot "$root" /debootstrap/debootstrap --second-stage
  touch "$root/made"
fi
[ "$(chroot "$root" uname -m)" = aarch64 ] || { echo "Expected the root to say aarch64, got $(chroot "$root" uname -m)" >&2; exit 1; }

# The network as this machine reaches it.
cp /etc/resolv.conf /etc/hosts "$root/etc/"
mkdir -p "$root/etc/ssl/certs" && cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
rm -rf "$root/package" && mkdir "$root/package"
git -C "$here" ls-files -z | tar -C "$here" --null -T - -cf - | tar -C "$root/package" -xf -

enter() { chroot "$root" /usr/bin/env -i HOME=/root PATH=/venv/bin:/usr/bin:/bin PIP_CERT=/etc/ssl/certs/ca-certificates.crt \
  PIP_DEFAULT_TIMEOUT=180 "$@"; }
[ -x "$root/venv/bin/python" ] || enter python3 -m venv /venv
enter bash /package/requirements/robot.sh python
enter python -m pip install -q --no-deps /package
enter python /package/tools/aarch64/two_seconds.py /tmp/two_seconds.npz
PYTHONPATH="$here" "$here/.venv/bin/python" "$here/tools/aarch64/two_seconds.py" "$directory/here.npz"
PYTHONPATH="$here" "$here/.venv/bin/python" "$here/tools/aarch64/two_seconds.py" --compare "$directory/here.npz" "$root/tmp/two_seconds.npz"
