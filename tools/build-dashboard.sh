#!/bin/sh
# Builds frontend/dist when a source is newer than the last build.
set -eu
cd "$(dirname "$0")/../frontend"
with_node=../tools/with-node.sh
[ -d node_modules ] && [ node_modules -nt package-lock.json ] || $with_node npm ci --no-audit --no-fund --loglevel=error
touch node_modules
sources="src index.html package.json package-lock.json vite.config.ts ../backend/api/openapi.yaml"
# shellcheck disable=SC2086
if [ -f dist/index.html ] && [ -z "$(find $sources -newer dist/index.html -print -quit 2>/dev/null)" ]; then
    exit 0
fi
$with_node npm run build --silent
touch dist/index.html
