# shellcheck shell=sh
# Debian packages for setup.sh: installs what is missing, records it, and leaves no service behind.
# shellcheck disable=SC2154,SC2034 # variables shared with setup.sh

installed_record=$thaw/installed-packages
policy=/usr/sbin/policy-rc.d

# Installs $packages, where `redis` stands for redis-server, or valkey-server where that has no candidate.
install_packages() {
  if ! offers_all; then
    fail "no apt source of this host offers:$without_candidate" "Check /etc/apt (Debian's main component is enough) and 'apt-get update', or install these by hand."
  fi
  say "installing by apt:$offered"
  [ -s "$work/before" ] || list_installed >"$work/before"
  keep_services_down
  # shellcheck disable=SC2086 # a list of names
  set -- install --no-install-recommends $offered
  refuse_removals "$@"
  if ! run_apt "$@" && ! { fetch_failed && update_indexes && run_apt "$@"; }; then
    fail "apt-get could not install:$offered" "Repair what apt names above (often the network, or 'dpkg --configure -a'), then run setup.sh again."
  fi
  finish_install
}

# Sets `candidates` to lines of name:version. The indexes are fetched only where they do not know a package.
read_candidates() {
  ask_apt
  if ! offers_all || [ -z "$(candidate_of criu)" ]; then
    update_indexes
    ask_apt
  fi
}

ask_apt() {
  # shellcheck disable=SC2086 # a list of names
  candidates=$(apt-cache policy $packages redis-server valkey-server criu patchelf checkpointctl 2>>"$log" |
    awk '/^[^ ]/ { name = $1 } $1 == "Candidate:" && $2 != "(none)" { print name $2 }')
}

candidate_of() { echo "$candidates" | sed -n "s/^$1://p" | head -n 1; }

# Sets `offered` to the packages to ask apt for, `without_candidate` to those it does not know.
offers_all() {
  offered=
  without_candidate=
  for package in $packages; do
    if [ "$package" = redis ]; then
      if [ "$(candidate_of redis-server)" ]; then package=redis-server; else package=valkey-server; fi
    fi
    if [ "$(candidate_of "$package")" ]; then offered="$offered $package"; else without_candidate="$without_candidate $package"; fi
  done
  [ -z "$without_candidate" ]
}

# Old indexes name files the mirror has replaced since.
fetch_failed() { grep -q -e 'Failed to fetch' -e 'Unable to fetch' "$log"; }

# One broken source must not stop us: what counts is whether the packages can be had afterwards.
# The lock on the indexes is the one lock apt does not wait for by itself (apt-daily.timer holds it at boot).
update_indexes() {
  say 'updating the package indexes (apt-get update)'
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    : >"$log"
    logged apt-get -q update && return 0
    grep -q 'Could not get lock' "$log" || return 0
    sleep 5
  done
}

run_apt() {
  logged env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -q -y \
    -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}

# busybox-static takes the place of busybox, and provides it. Nothing else of the host may go.
refuse_removals() {
  removed=$(apt-get -s "$@" 2>>"$log" </dev/null | awk '$1 == "Remv" { print $2 }') || true
  case $removed in
    '') ;;
    busybox)
      say 'busybox-static replaces busybox'
      echo busybox+ >"$work/replaced" # apt-get remove reads NAME+ as: install it
      ;;
    *) fail "installing$offered would remove: $(echo "$removed" | paste -sd " " -)" 'Install the missing packages by hand.' ;;
  esac
}

list_installed() { dpkg-query -W -f '${db:Status-Abbrev} ${binary:Package}\n' | awk '$1 == "ii" { print $2 }' | sort; }

# Packages start their service as they are installed; a policy-rc.d answering 101 forbids it. The host's own is left alone.
keep_services_down() {
  if [ -e "$policy" ] && ! grep -qs 'Thaw set-up' "$policy"; then return; fi
  printf '#!/bin/sh\n# Thaw set-up: no service starts while its packages are installed.\nexit 101\n' >"$policy"
  chmod 755 "$policy"
}

# Also runs when apt failed or a signal came: what was installed by then is recorded and its services are off.
finish_install() {
  [ -e "$work/before" ] || return 0
  list_installed | comm -13 "$work/before" - >"$work/new"
  if [ -e "$work/replaced" ] && grep -qx busybox-static "$work/new"; then cat "$work/replaced" >>"$work/new"; fi
  if [ -s "$work/new" ]; then
    cat "$work/new" >>"$installed_record"
    sort -u -o "$installed_record" "$installed_record"
  fi
  for service in redis-server valkey-server docker-registry; do
    grep -qx "$service" "$work/new" || continue
    if has service; then logged service "$service" stop || true; fi # the host's own policy-rc.d may have let it start
    if has systemctl; then logged systemctl disable "$service" || true; fi
    if has update-rc.d; then logged update-rc.d "$service" disable || true; fi
  done
  # Of podman nothing may wait for the next boot: its socket is a way to root.
  if grep -qx podman "$work/new" && has systemctl; then
    logged systemctl disable podman.service podman.socket podman-restart.service podman-auto-update.service podman-auto-update.timer || true
  fi
  if grep -qs 'Thaw set-up' "$policy"; then rm -f "$policy"; fi
  rm -f "$work/before"
}

undo() {
  [ -e "$thaw" ] || { say "nothing to undo: there is no $thaw"; return; }
  [ "${THAW_SETUP=}" != never ] || fail "THAW_SETUP=never: $thaw and its packages stay" 'Unset THAW_SETUP to remove them.'
  [ "$(id -u)" = 0 ] || fail "removing packages and $thaw needs root" "sudo $0 --undo"
  begin_host_change
  if [ -s "$installed_record" ]; then
    ours=$(paste -sd ' ' "$installed_record")
    say "removing: $ours"
    # shellcheck disable=SC2086 # a list of names
    set -- remove $ours
    sed 's/:.*//' "$installed_record" | sort >"$work/ours"
    others=$(apt-get -s "$@" 2>>"$log" </dev/null | awk '$1 == "Remv" { sub(/:.*/, "", $2); print $2 }' | sort | comm -13 "$work/ours" - | paste -sd ' ' -)
    [ -z "$others" ] ||
      fail "these need packages set-up brought, and would go too: $others" "Remove them first, or take what they need out of $installed_record."
    run_apt "$@" || fail "apt-get could not remove all packages of $installed_record" "Repair what apt names above, then run $0 --undo again."
  fi
  say "removing $thaw"
  rm -rf "$thaw"
  work=
}
