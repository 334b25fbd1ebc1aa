#!/bin/sh
# arm64.sh [TEST…]: builds build-arm64 with Debian's cross compiler, warnings being errors, and runs unit tests in it
# under qemu: those named, or the NEON kernels' and the engine's.  Needs gcc-aarch64-linux-gnu, g++-aarch64-linux-gnu
# and qemu-user; the ARM libraries come from apt into build-arm64/root, so nothing is installed.
set -eu
cd "$(dirname "$0")/.."
top=$PWD/build-arm64
root=$top/root
[ $# -gt 0 ] || set -- kernels_test t5_fast_test
packages="libc6-dev libstdc++-12-dev libmicrohttpd-dev libwslay-dev libjansson-dev libcyaml-dev libyaml-dev
libsqlite3-dev libsodium-dev libcjose-dev libcurl4-openssl-dev libssl-dev zlib1g-dev libsentencepiece-dev libcmocka-dev"

# An apt of its own: it knows of no package that is there, so it fetches all that is needed.
private_apt() {
    apt-get -qq -o Dir::State="$top/apt" -o Dir::State::status="$top/apt/status" -o Dir::Cache="$top/apt/cache" \
        -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o APT::Sandbox::User="$(id -un)" "$@"
}

fetch_root() {
    rm -rf "$top/apt" "$root"
    mkdir -p "$top/apt/lists/partial" "$top/apt/cache/archives/partial" "$root"
    touch "$top/apt/status"
    private_apt update
    # shellcheck disable=SC2086
    private_apt install -y --download-only --no-install-recommends $packages
    for package in "$top"/apt/cache/archives/*.deb; do
        dpkg -x "$package" "$root"
    done
    # A link to /lib/… would leave the root.
    find "$root" -type l -lname '/*' | while read -r link; do
        ln -sfn "$root$(readlink "$link")" "$link"
    done
    touch "$root/complete"
}

cross_file() {
    cat <<END
[binaries]
c = 'aarch64-linux-gnu-gcc'
cpp = 'aarch64-linux-gnu-g++'
ar = 'aarch64-linux-gnu-ar'
strip = 'aarch64-linux-gnu-strip'
pkgconfig = 'pkg-config'
exe_wrapper = ['qemu-aarch64', '-L', '$root']
[built-in options]
c_args = ['--sysroot=$root']
cpp_args = ['--sysroot=$root']
c_link_args = ['--sysroot=$root']
cpp_link_args = ['--sysroot=$root']
[properties]
sys_root = '$root'
pkg_config_libdir = '$root/usr/lib/aarch64-linux-gnu/pkgconfig:$root/usr/share/pkgconfig'
[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'armv8.2-a'
endian = 'little'
END
}

[ -f "$root/complete" ] || fetch_root
if [ ! -f "$top/build.ninja" ]; then
    cross_file > "$top/cross.txt"
    meson setup "$top" --cross-file "$top/cross.txt" --werror >/dev/null
fi
ninja -C "$top" --quiet
meson test -C "$top" --print-errorlogs --timeout-multiplier 20 "$@"
