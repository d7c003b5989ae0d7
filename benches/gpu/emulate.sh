#!/usr/bin/env bash
# Runs the kernels for NVIDIA's cards on the CPU against the same expressions in f64; needs g++ 11 or newer.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
sed -e '/cuda_fp16.h/d' -e 's/extern __shared__ float2 of_channels\[\];/float2 *of_channels = dynamic_memory;/' \
    "$root/src/model/ops/cuda/kernels.cu" >"$work/kernels.h"
sed '/cuda_fp16.h/d' "$root/src/model/ops/cuda/attention.cu" >"$work/attention.h"
g++ -std=c++20 -O1 -pthread -I"$work" -o "$work/emulate" "$root/benches/gpu/emulate.cpp"
"$work/emulate"
