#!/bin/sh
# The build stage of every image with packages: /opt/venv with the pins of the file $1, and nothing that does not fit.
# The stage's other files (uv, certificates, wheels) are left behind with it.
set -eu
UV_VERSION=0.13.8
if [ -f /extra/ca.crt ]; then
  export SSL_CERT_FILE=/extra/ca.crt PIP_CERT=/extra/ca.crt
fi
if [ -d /extra/wheels ]; then
  export UV_FIND_LINKS=/extra/wheels
elif [ -n "${TORCH_BACKEND:-}" ]; then
  export UV_TORCH_BACKEND="$TORCH_BACKEND"
fi
python3 -m venv /opt/uv
/opt/uv/bin/pip install --quiet --disable-pip-version-check "uv==$UV_VERSION"
python3 -m venv --without-pip /opt/venv
/opt/uv/bin/uv pip install --quiet --no-cache --compile-bytecode --python /opt/venv/bin/python -r "$1"
/opt/uv/bin/uv pip check --quiet --python /opt/venv/bin/python
