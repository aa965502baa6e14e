#!/bin/sh
# Everything the tests with a real engine run: the base (Debian's packages, unless python:3.11-slim-bookworm is there), the
# project's images, and stand-ins for Postgres and the store, whose own images come from registries that may be out of reach.
#   sh tests/integration/docker/images.sh        layers that are there already are not built again
set -eu
cd "$(dirname "$0")/../../.."
here=tests/integration/docker
base=python:3.11-slim-bookworm
if ! docker image inspect "$base" > /dev/null 2>&1; then
  base=psgpo/base:bookworm
  docker image inspect "$base" > /dev/null 2>&1 || sh containers/base-image.sh "$base"
fi
if [ ! -f containers/extra/ca.crt ] && [ -n "${SSL_CERT_FILE:-}" ]; then
  cp "$SSL_CERT_FILE" containers/extra/ca.crt
fi
links=${PIP_FIND_LINKS:-$(python3 -m pip config get global.find-links 2> /dev/null || true)}
if [ ! -d containers/extra/wheels ] && [ -n "$links" ] && [ -d "$links" ]; then
  mkdir containers/extra/wheels
  cp "$links"/*.whl containers/extra/wheels/
fi
docker build --quiet --tag psgpo/test-postgres:dev --build-arg BASE_IMAGE="$base" "$here/postgres"
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
cp -R "$here/store/." containers/install.sh containers/extra "$context"
docker build --quiet --tag psgpo/test-store:dev --build-arg BASE_IMAGE="$base" "$context"
BASE_IMAGE="$base" TORCH_BACKEND="${TORCH_BACKEND:-cpu}" make --no-print-directory images
