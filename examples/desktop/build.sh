#!/usr/bin/env bash
# Freezes ranking.py with the run-time packages, and runs it without Python and without a network.
#
#     examples/desktop/build.sh [DIR]     default: build/desktop; the program is DIR/dist/ranking/ranking
#
# Needs a Python with its shared library (Debian's has it; elsewhere configure --enable-shared).
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
out=${1:-build/desktop}

# A fresh environment: what is installed besides would be frozen too, torch for one.
"$python" -m venv "$out/environment"
"$out/environment/bin/pip" install --quiet --disable-pip-version-check . 'pyinstaller>=6.10'
# ondol needs no options: the package has a hook. This program downloads nothing, so the hub's client
# stays out, which comes with tokenizers.
"$out/environment/bin/pyinstaller" --noconfirm --log-level ERROR --name ranking --exclude-module huggingface_hub \
  --distpath "$out/dist" --workpath "$out/work" --specpath "$out" examples/desktop/ranking.py

program=$(realpath "$out/dist/ranking/ranking")
echo "one folder: $(du --bytes --summarize "$out/dist/ranking" | cut -f1) bytes," \
  "$(find "$out/dist/ranking" -type f | wc -l) files;" \
  "as .tar.gz $(tar -czf - -C "$out/dist" ranking | wc -c) bytes"
echo "the largest:"
find "$out/dist/ranking" -type f -printf '%s %P\n' | sort -rn | sed -n 1,8p

# From another place, with nothing on PATH, no home, no variables, and a network without interfaces.
moved=$(mktemp -d)
trap 'rm -rf "$moved"' EXIT
cp -r "$out/dist/ranking" "$moved/"
echo "run without PATH and network:"
cd /
unshare --map-root-user --net env --ignore-environment PATH=/nonexistent \
  "$moved/ranking/ranking" "우리나라에서 제일 큰 섬"
