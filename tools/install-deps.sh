#!/bin/sh
# Installs the Debian or Ubuntu packages that building and testing need, if any is missing.
set -eu
packages="build-essential pkg-config meson ninja-build libmicrohttpd-dev libwslay-dev libjansson-dev libcyaml-dev
libyaml-dev libsqlite3-dev libsodium-dev libcjose-dev libcurl4-openssl-dev libssl-dev zlib1g-dev libsentencepiece-dev
libcmocka-dev curl jq python3 python3-venv"
command -v node >/dev/null 2>&1 || packages="$packages nodejs npm"

missing=""
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

sudo=""
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || { echo "Needs root to install:$missing" >&2; exit 1; }
    sudo=sudo
fi
echo "Installing:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
# shellcheck disable=SC2086
$sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
