#!/bin/sh
# with-node.sh COMMAND…: runs COMMAND with Node.js 20.19 or newer, which Vite 8 needs, first on PATH.
# Debian 12 and Ubuntu 24.04 have Node 18; there the npm package `node` brings a newer one, kept in
# the cache folder.
set -eu
enough='const [a, b] = process.versions.node.split(".").map(Number);
process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'
if ! node -e "$enough" 2>/dev/null; then
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/wardscribe-node
    if ! [ -x "$cache/node_modules/node/bin/node" ]; then
        echo "Installing: node 22 (from npm) into $cache" >&2
        mkdir -p "$cache"
        npm install --prefix "$cache" --no-audit --no-fund --loglevel=error node@22 >/dev/null
    fi
    PATH=$cache/node_modules/node/bin:$PATH
    export PATH
fi
exec "$@"
