#!/usr/bin/env bash
# Builds lbw for NVIDIA's cards on a machine that needs neither a card nor CUDA: benches/gpu/build.sh [CARGO'S ARGUMENTS]
#
# NVIDIA's compiler comes from PyPI, 105 MB into target/gpu. The binary is target/gpu/lbw. It loads NVIDIA's libraries when a card is
# first asked for, so that it also starts, and draws on the CPU, where there are none. Its kernels are compiled for compute capability
# 7.5 (RTX 20, T4); the driver (580 or newer) compiles them on for newer cards. CUDA_COMPUTE_CAP=80 builds for RTX 30 and newer, with
# bf16.
#
# Needs bash, cargo, g++ and python3 with pip. `build.sh check` instead runs `cargo check`, and `build.sh tests` builds the unit tests
# as target/gpu/tests: with LBW_TEST_DEVICE=cuda they hold the card's operators to the same expressions as all others. `build.sh card`
# builds benches/card.rs as target/gpu/card.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
work=${LBW_GPU_DIR:-$root/target/gpu}
packages=(nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85)

mkdir -p "$work"
export CUDA_HOME="$work/cuda/nvidia/cu13"
if [ ! -x "$CUDA_HOME/bin/nvcc" ]; then
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work/wheels" "${packages[@]}"
    for wheel in "$work"/wheels/*.whl; do python3 -m zipfile -e "$wheel" "$work/cuda"; done
    chmod -R u+x "$CUDA_HOME/bin" "$CUDA_HOME/nvvm/bin"
fi
export CUDA_PATH="$CUDA_HOME" NVCC="$CUDA_HOME/bin/nvcc" PATH="$CUDA_HOME/bin:$PATH" CUDA_COMPUTE_CAP="${CUDA_COMPUTE_CAP:-75}"

# A copy of the manifest beside links to everything else: what is changed about candle there changes no lock file here.
tree="$work/tree"
mkdir -p "$tree"
for entry in "$root"/*; do
    name=$(basename "$entry")
    case "$name" in Cargo.toml | Cargo.lock | target) ;; *) ln -sfn "$entry" "$tree/$name" ;; esac
done
cp "$root/Cargo.lock" "$tree/Cargo.lock"

crate() {
    cargo metadata --quiet --format-version 1 --manifest-path "$root/Cargo.toml" --features cuda --filter-platform x86_64-unknown-linux-gnu |
        python3 -c 'import json, os, sys
print(next(os.path.dirname(p["manifest_path"]) for p in json.load(sys.stdin)["packages"] if p["name"] == sys.argv[1]))' "$1"
}

# candle 0.11 asks for NVIDIA's libraries to be linked, and then starts nowhere else (huggingface/candle#3900).
if [ ! -d "$work/candle-core" ]; then
    cp -r "$(crate candle-core)" "$work/candle-core.new"
    sed -i 's/"dynamic-linking"/"dynamic-loading"/' "$work/candle-core.new/Cargo.toml"
    grep -q '"dynamic-loading"' "$work/candle-core.new/Cargo.toml"
    mv "$work/candle-core.new" "$work/candle-core"
fi
# Kernels for products with quantised weights, which lbw never computes, take 15 of 18 minutes and most of the binary.
if [ ! -d "$work/candle-kernels" ]; then
    cp -r "$(crate candle-kernels)" "$work/candle-kernels.new"
    python3 - "$work/candle-kernels.new" <<'PYTHON'
import pathlib, re, sys
folder = pathlib.Path(sys.argv[1])
build = (folder / "build.rs").read_text()
begin, end = build.index("    let mut moe_sources"), build.rindex("    Ok(())")
build = build[:begin] + build[end:]
(folder / "build.rs").write_text(re.sub(r"(?m)^(const CUTILE|use std::env).*\n", "", build).replace("env::var", "std::env::var"))
(folder / "src/quantized.cu").write_text("// Left out.\n")
names = re.findall(r"pub fn (\w+)\(", (folder / "src/ffi.rs").read_text())
absent = "".join(
    f'#[no_mangle]\nextern "C" fn {name}() {{\n    panic!("this build has no quantised products: {name}")\n}}\n' for name in names)
library = folder / "src/lib.rs"
library.write_text(library.read_text() + "\n#[allow(clashing_extern_declarations)]\nmod absent {\n" + absent + "}\n")
PYTHON
    mv "$work/candle-kernels.new" "$work/candle-kernels"
fi
{
    cat "$root/Cargo.toml"
    printf '\n[patch.crates-io]\ncandle-core = { path = "%s" }\ncandle-kernels = { path = "%s" }\n' "$work/candle-core" "$work/candle-kernels"
} >"$work/manifest"
# Touched only where it is another one: cargo goes by its time.
cmp -s "$work/manifest" "$tree/Cargo.toml" || cp "$work/manifest" "$tree/Cargo.toml"

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$work/target}"
if [ "${1:-}" = check ]; then
    shift
    exec cargo check --release --manifest-path "$tree/Cargo.toml" --features cuda "$@"
fi
if [ "${1:-}" = tests ]; then
    shift
    cargo test --release --manifest-path "$tree/Cargo.toml" --features cuda --lib --no-run "$@" 2>&1 | tee "$work/tests.log"
    strip -o "$work/tests" "$(sed -n 's/.*Executable unittests.*(\(.*\))/\1/p' "$work/tests.log")"
    exit
fi
if [ "${1:-}" = card ]; then
    shift
    cargo bench --manifest-path "$tree/Cargo.toml" --features cuda --bench card --no-run "$@" 2>&1 | tee "$work/card.log"
    strip -o "$work/card" "$(sed -n 's/.*Executable benches.*(\(.*\))/\1/p' "$work/card.log")"
    exit
fi
cargo build --release --manifest-path "$tree/Cargo.toml" --features cuda --bin lbw "$@"
strip -o "$work/lbw" "$CARGO_TARGET_DIR/release/lbw"
ls -l "$work/lbw"
