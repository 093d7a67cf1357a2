#!/usr/bin/env bash
# Makes a folder with a lean libtorch for the processor, which the cargo feature `tch` builds against, and prints the
# lines to export. What it takes is the official wheel of PyTorch; of its 900 MB only the libraries that a build
# without CUDA loads are kept, and the CUDA libraries that these name are replaced by stand-ins that know no device.
#
#   crates/vision/libtorch/prepare.sh [--wheel FILE] [FOLDER]
#
# FILE    a wheel that is already here; without it, pip downloads the one from PyPI
# FOLDER  what is made; without it, target/libtorch in the workspace
#
# It needs python3 (with pip, unless a wheel is given), a C compiler, readelf and nm. Where a libtorch or a PyTorch of
# this version is installed, nothing needs preparing: set LIBTORCH=FOLDER or LIBTORCH_USE_PYTORCH=1.
set -euo pipefail

# The version that the pinned burn-tch binds; its build script refuses any other.
version=2.9.0

fail() {
    echo "prepare.sh: $*" >&2
    exit 1
}

wheel=
folder=
while [ $# -gt 0 ]; do
    case $1 in
    --wheel)
        [ $# -ge 2 ] || fail "--wheel needs a file"
        wheel=$2
        shift 2
        ;;
    -h | --help)
        sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"
        exit 0
        ;;
    -*) fail "\"$1\" is no option; use --wheel FILE" ;;
    *)
        [ -z "$folder" ] || fail "found two folders, expected one: \"$folder\", \"$1\""
        folder=$1
        shift
        ;;
    esac
done

[ "$(uname -s)" = Linux ] || fail "found $(uname -s), expected Linux; elsewhere set LIBTORCH or LIBTORCH_USE_PYTORCH=1"
case $(uname -m) in
x86_64 | aarch64) ;;
*) fail "found processor $(uname -m), expected x86_64 or aarch64: there is no wheel for others" ;;
esac
compiler=${CC:-cc}
for tool in python3 "$compiler" readelf nm; do
    command -v "$tool" >/dev/null || fail "$tool is missing"
done

root=$(cd "$(dirname "$0")/../../.." && pwd)
folder=${folder:-${CARGO_TARGET_DIR:-$root/target}/libtorch}
[ ! -e "$folder" ] || fail "\"$folder\" is there already; delete it, or name another folder"
mkdir -p "$(dirname "$folder")"
work=$(mktemp -d "$(dirname "$folder")/libtorch.XXXXXX")
trap 'rm -rf "$work"' EXIT

if [ -z "$wheel" ]; then
    # The libraries are the same for every Python; a fixed one makes it the same file everywhere.
    python3 -m pip download "torch==$version" --no-deps --only-binary=:all: --python-version 3.11 \
        --platform "manylinux_2_28_$(uname -m)" --dest "$work/wheel" ||
        fail "the wheel could not be downloaded; fetch torch $version from PyPI by hand and pass it with --wheel FILE"
    wheel=$(echo "$work"/wheel/torch-"$version"-*.whl)
fi
[ -f "$wheel" ] || fail "\"$wheel\" is no file"

python3 - "$wheel" "$work/made" "$version" <<'PYTHON'
import os, re, sys, zipfile

wheel, folder, version = sys.argv[1:]
# Kept when they are there: a wheel without CUDA has other names for the libraries of OpenMP and BLAS.
dropped = re.compile(r"lib(torch|c10|caffe2|nv|cu).*(cuda|nvrtc|nvshmem)|libtorch_(python|global_deps)|libshm|libtorch\.so")
with zipfile.ZipFile(wheel) as archive:
    found = re.search(r"__version__ = '([0-9.]+)", archive.read("torch/version.py").decode())
    if found is None or found.group(1) != version:
        sys.exit(f"prepare.sh: found torch {found and found.group(1)}, expected {version}")
    for entry in archive.infolist():
        name = entry.filename
        library = re.fullmatch(r"torch/lib/(lib[^/]+\.so[^/]*)", name) or re.fullmatch(r"torch\.libs/(lib[^/]+)", name)
        if library and not dropped.match(library.group(1)):
            target = os.path.join(folder, "lib", library.group(1))
        elif name.startswith("torch/include/") and not name.endswith("/") and ".." not in name:
            target = os.path.join(folder, name.removeprefix("torch/"))
        else:
            continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with archive.open(entry) as source, open(target, "wb") as made:
            while piece := source.read(1 << 20):
                made.write(piece)
PYTHON

lib=$work/made/lib
[ -f "$lib/libtorch_cpu.so" ] && [ -f "$lib/libc10.so" ] || fail "the wheel has no libtorch_cpu.so or no libc10.so"

# A stand-in for every CUDA library that a kept one names: same name, same versioned symbols, and every function
# answers with an error, which libtorch reads as "no device".
for needed in $(readelf -d "$lib"/lib*.so* | sed -n 's/.*(NEEDED).*\[\(lib\(cu\|nv\)[^]]*\)\].*/\1/p' | sort -u); do
    [ ! -e "$lib/$needed" ] || continue
    symbols=$(nm -D --undefined-only "$lib"/lib*.so* | sed -n "s/.* U \([A-Za-z0-9_]*\)@$needed\$/\1/p" | sort -u)
    {
        echo "#include <stddef.h>"
        for symbol in $symbols; do
            case $symbol in
            *GetErrorString | *GetErrorName) echo "const char *$symbol(int code) { (void)code; return \"no CUDA\"; }" ;;
            # 100 is cudaErrorNoDevice, and no success in any of these libraries.
            *) echo "int $symbol(void) { return 100; }" ;;
            esac
        done
    } >"$work/stand_in.c"
    echo "$needed { global: *; };" >"$work/stand_in.map"
    "$compiler" -shared -fPIC -w -o "$lib/$needed" "$work/stand_in.c" \
        -Wl,-soname,"$needed" -Wl,--version-script="$work/stand_in.map"
    echo "stand-in for $needed: $(echo "$symbols" | wc -w) functions"
done

# The wheel's own libtorch.so only names the others, libtorch_cuda.so among them.
echo "" >"$work/empty.c"
"$compiler" -shared -fPIC -o "$lib/libtorch.so" "$work/empty.c" -Wl,-soname,libtorch.so \
    -L"$lib" -Wl,--no-as-needed -ltorch_cpu -lc10 -Wl,-rpath,'$ORIGIN' -Wl,--allow-shlib-undefined
echo "$version+cpu" >"$work/made/build-version"
mv "$work/made" "$folder"

folder=$(cd "$folder" && pwd)
echo "made $(du -sh "$folder" | cut -f1) in $folder; for the build and for running:"
echo "export LIBTORCH=$folder"
echo "export LD_LIBRARY_PATH=$folder/lib\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
