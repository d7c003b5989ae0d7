#!/usr/bin/env bash
# What is to be run where there is a card, shortest first: benches/gpu/run.sh [PROGRAMS]
#
# PROGRAMS is the folder where `build.sh`, `build.sh tests` and `build.sh card` have put what they build (target/gpu), or a tar file of it;
# `--only WORDS` behind it runs the steps whose names hold one of these words. Prints a line for
# every number as it comes, and a table at the end. Needs python3 with numpy and pillow, NVIDIA's driver and its libraries cublas and curand, which
# may be those of PyPI. SECONDS_LEFT (270) is how long it may take: what no longer fits is left out, and said.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
libraries=$(python3 - <<'PYTHON'
import glob, site, sys
folders = [*site.getsitepackages(), site.getusersitepackages(), *sys.path]
print(":".join(sorted({lib for folder in folders if folder for lib in glob.glob(folder + "/nvidia/*/lib")})))
PYTHON
)
export LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
exec python3 -u "$root/benches/gpu/run.py" --seconds "${SECONDS_LEFT:-270}" "${@:-$root/target/gpu}"
