#!/usr/bin/env bash
# Builds the CPU image with Buildah and runs commands in it, where no registry is reached and no Docker runs: Debian's
# own Python, unpacked by debootstrap, stands in for the base image. Debian or Ubuntu, as root.
#
#   make image
#   make image BUILD_OPTIONS="--volume /etc/pip.conf:/etc/pip.conf:ro"     # options of buildah, as for an index of yours
#
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=$(mktemp --directory --tmpdir crystalforge-image-XXXXXX)
build=(buildah --root "$folder/store" --runroot "$folder/run" --storage-driver overlay)
trap '"${build[@]}" rm --all >/dev/null 2>&1 || true; rm -rf -- "$folder"' EXIT

for program in buildah debootstrap; do
  command -v "$program" >/dev/null || missing+=("$program")
done
if [[ -n ${missing:-} ]]; then
  apt-get update --quiet
  DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends buildah crun debootstrap
fi

# What the official image has, at the same places: Python 3.11 as `python`, and a pip that installs into /usr/local.
debootstrap --variant=minbase --include=python3,python3-pip,ca-certificates bookworm "$folder/base" >"$folder/base.log"
ln -s /usr/bin/python3 "$folder/base/usr/local/bin/python"
ln -s /usr/bin/pip3 "$folder/base/usr/local/bin/pip"
rm "$folder"/base/usr/lib/python3.*/EXTERNALLY-MANAGED
base=$("${build[@]}" from scratch)
"${build[@]}" add --quiet "$base" "$folder/base" / >/dev/null
"${build[@]}" config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$base"
"${build[@]}" commit --quiet "$base" localhost/stand-in >/dev/null

# Of a checkout only what git knows: caches of this machine are not part of the image.
mkdir "$folder/context"
git ls-files -z platform jobs schemas pyproject.toml constraints.txt README.md LICENSE infra/docker |
  xargs -0 cp --parents --target-directory="$folder/context"
# shellcheck disable=SC2086 # several options
"${build[@]}" bud --isolation chroot --network host --file "$folder/context/infra/docker/Dockerfile" \
  --ignorefile "$folder/context/infra/docker/Dockerfile.dockerignore" --build-arg BASE=localhost/stand-in \
  --build-arg VARIANT=cpu ${BUILD_OPTIONS:-} --tag localhost/crystalforge "$folder/context"

container=$("${build[@]}" from localhost/crystalforge)
inside() { "${build[@]}" run --isolation chroot --network host "$container" -- "$@"; }
[[ $(inside id --user) = 1000 ]]
inside platform --version
inside platform dataset build bundled
inside sh -c 'test -s /home/crystalforge/data/datasets/*/materials.parquet'
inside ray --version
inside wget --version >/dev/null
echo "The image builds, and its user $(inside id --user) runs platform in it."
