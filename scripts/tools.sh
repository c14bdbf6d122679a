#!/bin/sh
# Installs what the tests compare with, on Debian and as root: a C compiler for both word sizes, an assembler, and the tools that
# make and sign packages. Run by .ci/run; does nothing where all of it is there.
set -eu
missing=
need() { command -v "$1" >/dev/null || missing="$missing $2"; }
need gcc "gcc libc6-dev"
[ -e /usr/include/gnu/stubs-32.h ] || missing="$missing gcc-multilib"
need nasm nasm
need readelf binutils
need xz xz-utils
need zstd zstd
need lz4 lz4
need bzip2 bzip2
need dpkg-scanpackages dpkg-dev
need gpg gpg
need gpg-agent gpg-agent
need python3 python3
[ -n "$missing" ] || exit 0
command -v apt-get >/dev/null || exit 1
apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
