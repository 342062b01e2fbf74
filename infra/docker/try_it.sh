#!/usr/bin/env bash
# Builds the CPU image with Buildah and runs commands in it, where no registry is reached and no Docker runs: Debian's
# own Python, unpacked by debootstrap, stands in for the base image. Debian or Ubuntu, as root.
#
#   make image
#   make image BUILD_OPTIONS="--volume /etc/pip.conf:/etc/pip.conf:ro"     # options of buildah, as for an index of yours
#   make image IMAGE_FOLDER=/var/tmp/crystalforge-image                    # keeps what was built, for the next time
#
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=${IMAGE_FOLDER:-$(mktemp --directory --tmpdir crystalforge-image-XXXXXX)}
mkdir --parents "$folder"
image=(buildah --root "$folder/store" --runroot "$folder/run" --storage-driver overlay)
end() {
  "${image[@]}" rm --all >/dev/null 2>&1 || true
  [[ -n ${IMAGE_FOLDER:-} ]] || rm -rf -- "$folder"
}
trap end EXIT

if ! command -v buildah >/dev/null || ! command -v debootstrap >/dev/null; then
  apt-get update --quiet
  DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends buildah crun debootstrap
fi

# What the official image has, at the same places: Python 3.11 as `python`, and a pip that installs into /usr/local.
stand_in=localhost/python-stand-in
if ! "${image[@]}" inspect --type image "$stand_in" >/dev/null 2>&1; then
  debootstrap --variant=minbase --include=python3,python3-pip,ca-certificates bookworm "$folder/base" >"$folder/base.log"
  ln -s /usr/bin/python3 "$folder/base/usr/local/bin/python"
  ln -s /usr/bin/pip3 "$folder/base/usr/local/bin/pip"
  rm "$folder"/base/usr/lib/python3.*/EXTERNALLY-MANAGED
  base=$("${image[@]}" from scratch)
  "${image[@]}" add --quiet "$base" "$folder/base" / >/dev/null
  "${image[@]}" config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$base"
  "${image[@]}" commit --quiet "$base" "$stand_in" >/dev/null
  rm -rf -- "$folder/base"
fi

# Of a checkout only what git knows: caches of this machine are not part of the image.
rm -rf -- "$folder/context"
mkdir "$folder/context"
git ls-files -z platform jobs schemas pyproject.toml constraints.txt README.md LICENSE infra/docker |
  xargs -0 cp --parents --target-directory="$folder/context"
# shellcheck disable=SC2086 # several options
"${image[@]}" bud --layers --isolation chroot --network host --file "$folder/context/infra/docker/Dockerfile" \
  --format docker --ignorefile "$folder/context/infra/docker/Dockerfile.dockerignore" \
  --build-arg BASE="$stand_in" --build-arg VARIANT=cpu ${BUILD_OPTIONS:-} \
  --tag localhost/crystalforge "$folder/context"

container=$("${image[@]}" from localhost/crystalforge)
inside() { "${image[@]}" run --isolation chroot --network host "$container" -- "$@"; }
[[ $(inside id --user) = 1000 ]]
inside platform --version
inside platform dataset build bundled
inside sh -c 'test -s /home/crystalforge/data/datasets/*/materials.parquet'
inside ray --version
inside wget --version >/dev/null
echo "The image builds, and its user $(inside id --user) runs platform in it."
