#!/bin/sh
# A stand-in for python:3.11-slim-bookworm where there is no registry: Debian's own packages, by debootstrap.
#   make base-image            then BASE_IMAGE=psgpo/base:bookworm docker compose build
# Needs root and debootstrap. $1: name of the image.
set -eu
image=${1:-psgpo/base:bookworm}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$root" \
  "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" > "$root.log" 2>&1 || { tail -5 "$root.log" >&2; exit 1; }
rm -f "$root.log"
for unused in usr/share/doc usr/share/man usr/share/info usr/share/locale usr/share/i18n usr/share/lintian \
  var/lib/apt/lists var/cache var/log usr/lib/python3.11/test usr/lib/python3.11/idlelib; do
  rm -rf "${root:?}/$unused"
done
find "$root" -name __pycache__ -type d -prune -exec rm -rf {} +
rm -rf "${root:?}"/dev/*
mkdir -p "$root/var/cache/apt/archives/partial" "$root/var/lib/apt/lists/partial" "$root/var/log"
tar -C "$root" -c . | docker import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - "$image" > /dev/null
echo "$image"
