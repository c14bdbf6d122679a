#!/bin/sh
# Installs the peers and makes the models of `npm run bench:models`: PYTHON names an interpreter with what prepare.py wants.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
npm install --prefix "$here/peers" --no-audit --no-fund --ignore-scripts --no-package-lock
"${PYTHON:-python3}" "$here/prepare.py" "$here/../../.cache/bench/models" "$@"
