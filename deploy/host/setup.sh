#!/bin/sh
# Makes this host able to run Thaw: runc, a CRIU that fits the kernel, Redis or Valkey, and the
# tools around them; then the project's node_modules. Prints nothing when nothing is missing.
#
#   setup.sh          what `npm run demo` needs
#   setup.sh --test   the same, and what only `npm test` needs
#   setup.sh --undo   removes the packages this script installed, and /opt/thaw
#
# THAW_SETUP=never changes nothing: it names what is missing and exits 1, or exits 0.
# POSIX sh, so that a system without bash gets a list of what to install and not a shell error.
# shellcheck source-path=SCRIPTDIR
set -eu

here=$(cd "$(dirname "$0")" && pwd)
thaw=/opt/thaw
work_directory=$thaw/.setup
log=                                       # output of the step under way, shown when it fails
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # nft and ip, also after a plain `su`
export LC_ALL=C                            # the answers of apt and criu are parsed
. "$here/criu.sh"
. "$here/packages.sh"
. "$here/node-modules.sh"

main() {
  for_tests=
  case "$*" in
    '') ;;
    --test) for_tests=yes ;;
    --undo) undo; return ;;
    *) fail "unknown option: $*" "Use: $0 [--test | --undo]" ;;
  esac
  find_missing
  if modules_are_current; then modules_missing=; else modules_missing=yes; fi
  if [ "${THAW_SETUP=}" = never ]; then
    [ "$missing$criu_missing$modules_missing" ] || return 0
    fail "THAW_SETUP=never, and this host lacks: $(describe_missing)" "Unset THAW_SETUP and run $0 again, or install it by hand."
  fi
  # A work directory means that another set-up is at work, or was killed and must be tidied up after.
  if [ "$missing$criu_missing" ] || [ -w "$work_directory" ]; then set_up_host; fi
  if [ "$modules_missing" ]; then set_up_modules; fi
}

# Sets `missing` (Debian package names) and `criu_missing`. A command counts wherever it came from:
# Docker's containerd.io brings a runc of its own, and Debian's package conflicts with that one.
find_missing() {
  missing=
  want runc runc
  has redis-server || want valkey-server redis
  want conmon conmon
  want ip iproute2
  want nft nftables
  want skopeo skopeo
  want umoci umoci
  if [ "$for_tests" ]; then
    want docker-registry docker-registry
    want python3 python3
    want curl curl
    has_static_busybox || missing="$missing busybox-static"
    want podman podman
    has_netavark || missing="$missing netavark" # podman's bridge; not on PATH
    want iptables iptables                       # by which netavark before 1.11 makes its rules
  fi
  if has_fitting_criu; then criu_missing=; else criu_missing=yes; fi
}

want() { has "$1" || missing="$missing $2"; }
has() { command -v "$1" >/dev/null 2>&1; }
has_netavark() { [ -x /usr/lib/podman/netavark ] || [ -x /usr/libexec/podman/netavark ]; }
has_static_busybox() { has busybox && ! ldd "$(command -v busybox)" 2>/dev/null | grep -q '=>'; }

describe_missing() {
  for name in $missing; do
    case $name in redis) name='redis-server (or valkey-server)' ;; esac
    printf '%s, ' "$name"
  done | sed "s/, \$/${criu_missing:+, }/"
  if [ "$criu_missing" ]; then printf 'CRIU %s or newer (kernel %s)' "$(criu_required)" "$(uname -r)"; fi
  others=$missing$criu_missing
  if [ "$modules_missing" ]; then printf '%snode_modules of this package-lock.json (npm ci)' "${others:+, }"; fi
}

set_up_host() {
  if [ "$(uname -s)" != Linux ]; then
    fail "Thaw runs on Linux only (CRIU and runc do), this is $(uname -s)" "Use a Linux machine or virtual machine, Debian 12 or newer by preference."
  fi
  if ! has apt-get || ! has dpkg-query; then
    fail "This system has no apt. Thaw needs, and this host lacks: $(describe_missing)" "Install these with the system's package manager, then run $0 again."
  fi
  if [ "$(id -u)" != 0 ]; then
    fail "This host lacks: $(describe_missing)" "Installing needs root: sudo $here/setup.sh${for_tests:+ --test}"
  fi
  begin_host_change
  find_missing # another set-up may have been at work while this one waited
  packages=$missing
  if [ "$missing$criu_missing" ]; then
    read_candidates
    # Its test is skipped without it: Debian has it since 13.
    if [ "$for_tests" ] && ! has checkpointctl && [ "$(candidate_of checkpointctl)" ]; then packages="$packages checkpointctl"; fi
  fi
  if [ "$criu_missing" ]; then choose_criu; fi # may add criu, or patchelf, to packages
  if [ "$packages" ]; then install_packages; fi
  if [ "${criu_from_sid=}" ]; then build_criu_prefix; fi
  if [ "$criu_missing" ]; then check_criu; fi
  end_host_change
}

# One set-up at a time. /opt itself is the lock, because --undo removes everything of ours.
begin_host_change() {
  mkdir -p /opt
  exec 9</opt
  flock 9
  mkdir -p "$thaw"
  log=$thaw/setup.log
  : >"$log"
  work=$work_directory
  mkdir -p "$work"
  # A set-up that was killed did not get to finish_install, which needs these two.
  find "$work" -mindepth 1 -maxdepth 1 ! -name before ! -name replaced -exec rm -rf {} +
}

end_host_change() {
  finish_install
  rm -rf "$work" "$log"
  work=
  log=
  exec 9<&-
}

say() { echo "thaw set-up: $*" >&2; }

# fail WHAT NEXT: one sentence on what failed and on what, one on what to do, between them the end of the log.
fail() {
  told=yes
  say "$1"
  if [ -s "$log" ]; then
    tail -n 15 "$log" | sed 's/^/  | /' >&2
    case $log in "$thaw"/*) say "the whole log: $log" ;; esac
  fi
  say "$2"
  exit 1
}

# Runs a step with its output in the log, without our lock (a daemon started by it would keep it) and without stdin.
logged() { "$@" >>"$log" 2>&1 </dev/null 9<&-; }

clean_up() {
  status=$?
  trap - EXIT
  if [ "$status" -gt 128 ]; then say 'interrupted; running it again continues'; told=yes; fi
  if [ "$status" != 0 ] && [ -z "${told=}" ]; then
    (fail 'a command failed, see above' "Repair what it names, then run $0 again.") || true
  fi
  if [ "${work=}" ]; then
    finish_install
    rm -rf "$work"
    if [ ! -s "$thaw/setup.log" ]; then rm -f "$thaw/setup.log"; fi
    rmdir "$thaw" 2>/dev/null || true
  fi
  if [ "${modules_log=}" ]; then rm -f "$modules_log"; fi
  exit "$status"
}

# A signal waits for the running apt or npm to end: dpkg is not left in the middle of a package.
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
main "$@"
