#!/usr/bin/env bash
# Runs `npm test` of what is committed, in a fresh clone, under each Node that we support. The binaries come from the npm
# registry. Usage: scripts/node-versions.sh [major …]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
majors=("$@")
[ ${#majors[@]} -gt 0 ] || majors=(20 22 24)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
package=node-$(node -p '`${process.platform}-${process.arch}`')
git clone --quiet --no-hardlinks . "$work/clone"

failed=()
for major in "${majors[@]}"; do
  npm install --silent --no-save --no-audit --no-fund --prefix "$work/node-$major" "$package@$major"
  bin=$work/node-$major/node_modules/$package/bin
  start=$SECONDS
  (
    export PATH="$bin:$PATH"
    printf '== Node %s\n' "$(node --version)"
    cd "$work/clone"
    git clean -qfdx
    npm test
  ) || failed+=("$major")
  printf '== Node %s: %s s\n' "$major" "$((SECONDS - start))"
done
[ ${#failed[@]} = 0 ] || { printf 'failed on Node %s\n' "${failed[*]}" >&2; exit 1; }
printf 'npm test passes on Node %s\n' "${majors[*]}"
