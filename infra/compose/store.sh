#!/bin/sh
# Start SeaweedFS (one process: master, volumes, filer, S3) with the identities of infra/policies/seaweedfs.json, their
# secrets taken from the environment.
set -eu
umask 077
identities=/tmp/identities.json
cp /etc/psgpo/identities.json "$identities"
for name in S3_ADMIN_SECRET S3_MLFLOW_SECRET S3_SAMPLER_SECRET S3_LABELLER_SECRET S3_TRAINER_SECRET S3_PROMOTER_SECRET \
  S3_CLEANER_SECRET; do
  eval "value=\$$name"
  case "$value" in
    "" | *[!A-Za-z0-9_-]*) echo "$name: letters, digits, - and _ only, and not empty" >&2; exit 64 ;;
  esac
  sed -i "s/@$name@/$value/" "$identities"
done
exec weed server -s3 -s3.port=8333 -s3.config="$identities" -dir=/data -ip=127.0.0.1 -ip.bind=0.0.0.0 \
  -master.volumeSizeLimitMB=1024 -volume.max=0 -master.telemetry=false
