# shellcheck shell=sh
# The project's node_modules for setup.sh.
# shellcheck disable=SC2154,SC2034 # variables shared with setup.sh

project=$(cd "$here/../.." && pwd)
modules=$project/node_modules
lockfile=$project/package-lock.json
stamp=$modules/.thaw-setup # checksum of the package-lock.json these modules were installed from

# Without a stamp (a developer ran npm), npm's own record must be no older than the lock file.
modules_are_current() {
  [ -e "$lockfile" ] || return 0
  [ -e "$modules/.package-lock.json" ] || return 1
  if [ -e "$stamp" ]; then [ "$(cat "$stamp")" = "$(checksum_of_lockfile)" ] && return 0; fi
  [ -z "$(find "$lockfile" -newer "$modules/.package-lock.json")" ]
}

checksum_of_lockfile() { cksum <"$lockfile"; }

set_up_modules() {
  has npm || fail "$modules is missing or older than package-lock.json, and there is no npm" 'Install npm (Node 20 or newer), then run setup.sh again.'
  if has flock; then
    exec 9<"$project"
    flock 9
    if modules_are_current; then return; fi # another set-up did it
  fi
  say "installing node_modules (npm ci in $project)"
  modules_log=$(mktemp)
  log=$modules_log
  (
    cd "$project"
    # Not the node inside node_modules, which npm ci is about to delete.
    PATH=$(printf %s "$PATH" | tr : '\n' | grep -vxF "$modules/.bin" | paste -sd : -)
    logged npm ci --include=dev --include=optional --no-audit --no-fund
  ) || fail "npm ci failed in $project" 'Check the network and the registry npm uses, then run npm ci there.'
  checksum_of_lockfile >"$stamp"
  exec 9<&-
}
