#!/bin/sh
# Installs what the tests compare with, on Debian and as root: a C compiler for both word sizes, an assembler, the tools that
# make packages. Run by .ci/run; does nothing where all of it is there.
set -eu
missing=
command -v gcc >/dev/null || missing="$missing gcc libc6-dev"
[ -e /usr/include/gnu/stubs-32.h ] || missing="$missing gcc-multilib"
command -v nasm >/dev/null || missing="$missing nasm"
command -v readelf >/dev/null || missing="$missing binutils"
command -v xz >/dev/null || missing="$missing xz-utils"
command -v zstd >/dev/null || missing="$missing zstd"
[ -n "$missing" ] || exit 0
command -v apt-get >/dev/null || exit 1
apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
