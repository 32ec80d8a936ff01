# shellcheck shell=sh
# CRIU for setup.sh: which version this kernel needs, and where it comes from.
# shellcheck disable=SC2154,SC2034 # variables shared with setup.sh

criu_prefix=$thaw/criu

# Kernel 6.16 refuses SO_PASSCRED on inet sockets, which CRIU works around since 4.2; 6.13 split the vvar mapping (4.1).
# From 6.11 on, glibc 2.41 draws random numbers through the vDSO, and clones dumped by a CRIU before 4.2 may share that
# state: the glibc is the container image's, unknown here, so 6.11 already means 4.2. Below, 3.19 is the oldest that knows
# `network-lock skip`, which every dump of ours asks for; Debian 12's 3.17 refuses the option and with it the dump.
criu_required() {
  if [ "$(version_number "$(uname -r)")" -ge 6011 ]; then echo 4.2; else echo 3.19; fi
}

# 4.2.1-1 becomes 4002: the patch level never mattered.
version_number() {
  version=${1#*:}
  minor=${version#*.}
  echo $((${version%%.*} * 1000 + ${minor%%[!0-9]*}))
}

fits() { [ "$1" ] && [ "$(version_number "$1")" -ge "$(version_number "$(criu_required)")" ]; }
criu_version() { "$1" --version 2>/dev/null | awk '$1 == "Version:" { print $2 }'; }

has_fitting_criu() { [ "$(uname -s)" = Linux ] && [ "$(fitting_criu)" ]; }
fitting_criu() {
  for criu in "$criu_prefix/criu" "$(command -v criu)"; do
    if [ -x "$criu" ] && fits "$(criu_version "$criu")"; then
      echo "$criu"
      return
    fi
  done
}

# The distribution's where it fits, otherwise Debian sid's in a prefix of its own.
choose_criu() {
  if fits "$(candidate_of criu)"; then
    packages="$packages criu"
  else
    criu_from_sid=yes
    has patchelf || packages="$packages patchelf"
  fi
}

check_criu() {
  criu=$(fitting_criu)
  [ "$criu" ] || fail "CRIU was installed, but none runs that fits kernel $(uname -r) (it needs $(criu_required))" "Run $criu_prefix/criu --version to see why."
  if ! "$criu" check >"$work/check" 2>&1; then
    say "warning: $criu check does not pass on kernel $(uname -r): $(grep -e Error -e Warn "$work/check" | tail -n 3)"
  fi
}

# Unpacks sid's CRIU with the libraries it links and their loader, so that the host's libc stays as it is. sid, not a
# released suite: one index instead of several, and it is first to follow new kernels (trixie's 4.1 stops short of 6.16).
build_criu_prefix() {
  mirror=$(debian_mirror)
  [ "$mirror" ] || fail "kernel $(uname -r) needs CRIU $(criu_required), and no apt source of this host is Debian's main archive to take it from" "Install CRIU $(criu_required) or newer by hand, on PATH or as $criu_prefix/criu."
  say "kernel $(uname -r) needs CRIU $(criu_required): taking Debian sid's, with its own libraries, from $mirror into $criu_prefix"
  download_criu
  assemble_criu
  replace_prefix
}

# The mirror and its proxies come from the host's apt configuration.
debian_mirror() {
  # shellcheck disable=SC2016 # apt expands these
  apt-get indextargets --format '$(CREATED_BY)|$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)' |
    awk -F '|' '$1 == "Packages" && $2 == "Debian" && $3 == "Debian" && $4 == "main" && $5 !~ /^cdrom:/ { print $5; exit }'
}

# apt resolves the dependencies as on an empty machine (libc6 included), in directories of its own.
download_criu() {
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/debs"
  : >"$work/status"
  echo "deb [arch=$(dpkg --print-architecture) target=Packages signed-by=$keyring] $mirror sid main" >"$work/sources.list"
  # The hooks cleared here would act on the host's caches.
  cat >"$work/apt.conf" <<END
Dir::State "$work";
Dir::State::lists "$work/lists";
Dir::State::status "$work/status";
Dir::Cache "$work/cache";
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Default-Release "";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
END
  next="Check that $mirror offers the suite sid, or install CRIU $(criu_required) by hand, on PATH or as $criu_prefix/criu."
  logged apt-get -q -c "$work/apt.conf" --error-on=any update ||
    fail "apt could not read Debian sid from $mirror" "$next"
  version=$(apt-cache -c "$work/apt.conf" policy criu | awk '$1 == "Candidate:" { print $2 }')
  fits "${version#(none)}" || fail "Debian sid at $mirror has CRIU $version; kernel $(uname -r) needs $(criu_required)" "$next"
  apt-get -s -q -c "$work/apt.conf" --no-install-recommends install criu >"$work/solution" 2>>"$log" ||
    fail "Debian sid's CRIU cannot be installed at the moment" "$next"
  # Of the solution only criu and packages of shared libraries: no interpreters, no tools.
  awk '$1 == "Inst" { print $2 }' "$work/solution" | xargs apt-cache -c "$work/apt.conf" show --no-all-versions |
    awk '$1 == "Package:" { p = $2; v = "" } $1 == "Section:" && ($2 == "libs" || p == "criu") { print p }' >"$work/wanted"
  # shellcheck disable=SC2046 # a list of names
  (cd "$work/debs" && logged apt-get -q -c "$work/apt.conf" download $(cat "$work/wanted")) ||
    fail "apt could not download CRIU's packages from $mirror" "$next"
}

# Keeps what the loader itself says CRIU links, transitively.
assemble_criu() {
  root=$work/root
  built=$work/criu
  mkdir -p "$root" "$built/lib"
  for deb in "$work"/debs/*.deb; do
    logged dpkg-deb -x "$deb" "$root" || fail "$deb could not be unpacked" "Check the space on $thaw, then run setup.sh again."
  done
  interpreter=$(patchelf --print-interpreter "$root/usr/sbin/criu")
  loader=$(readlink -f "$(find "$root" -name "${interpreter##*/}" | head -n 1)")
  libraries=${loader%/*}
  "$loader" --inhibit-cache --library-path "$libraries" --list "$root/usr/sbin/criu" >"$work/linked" 2>>"$log" ||
    fail "CRIU $version does not load with the libraries of its packages" "This is a fault of set-up: please report it with $log."
  awk '$2 == "=>" { print $3 }' "$work/linked" >"$work/libraries"
  if grep -v "^$root/" "$work/libraries" >>"$log"; then
    fail "CRIU $version links libraries that its packages do not hold" "This is a fault of set-up: please report it with $log."
  fi
  xargs cp -L -t "$built/lib" <"$work/libraries"
  cp -L "$loader" "$built/lib/${interpreter##*/}"
  cp "$root/usr/sbin/criu" "$built/criu"
  (cd "$work/debs" && ls) >"$built/packages"
  patchelf --set-interpreter "$criu_prefix/lib/${interpreter##*/}" --force-rpath --set-rpath "$criu_prefix/lib" "$built/criu"
}

# Built beside its place and renamed, so that no one ever meets half a CRIU.
replace_prefix() {
  if [ -e "$criu_prefix" ]; then mv "$criu_prefix" "$work/old"; fi
  mv "$built" "$criu_prefix"
}
