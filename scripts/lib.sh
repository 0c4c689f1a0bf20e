# What the scripts share: the Debian packages that Cairn needs, and how it is built. To be sourced by bash
# with `set -euo pipefail`; sets `root` and goes there.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

packages=(
  cmake ninja-build g++ pkg-config ccache mold ca-certificates git
  libcaf-dev libcapnp-dev capnproto liblmdb-dev libspdlog-dev libboost-dev libsodium-dev libssl-dev
  libzstd-dev libtomlplusplus-dev libcli11-dev nlohmann-json3-dev libunistring-dev libsqlite3-dev libmimalloc-dev
  prometheus-cpp-dev libgtest-dev libgmock-dev libbenchmark-dev iproute2 libfaketime
)

say() { printf '\n== %s\n' "$*" >&2; }
fail() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# Installs those of the named packages that are missing; says what to do if it may not.
install_missing() {
  command -v dpkg-query >/dev/null || fail "this is not a Debian system; install what is like: $*"
  local missing=() name
  for name in "$@"; do
    [[ $(dpkg-query -W -f='${Status}' "$name" 2>/dev/null) == "install ok installed" ]] || missing+=("$name")
  done
  ((${#missing[@]})) || return 0
  say "Installing ${missing[*]}"
  local as_root=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null || fail "needs these packages; as root run: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  export DEBIAN_FRONTEND=noninteractive
  local apt=("${as_root[@]}" env "DEBIAN_FRONTEND=$DEBIAN_FRONTEND" apt-get -q -o DPkg::Lock::Timeout=300)
  "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >&2 ||
    { "${apt[@]}" update >&2 && "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >&2; } ||
    fail "could not install ${missing[*]}; see apt-get's message above"
}

# Compilers at a time: one a core, and 1.5 GB of memory for each.
build_jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable:/ { print int($2 / 1572864) }' /proc/meminfo)
  ((memory < 1)) && memory=1
  echo $((cores < memory ? cores : memory))
}

# build PRESET TESTS [TARGET...]: configures build/PRESET (TESTS is ON or OFF) and builds the targets, or all.
build() {
  local preset=$1 tests=$2
  shift 2
  say "Building preset $preset ($(build_jobs) at a time)"
  cmake --preset "$preset" -DCAIRN_TESTS="$tests" >&2
  cmake --build "build/$preset" -j "$(build_jobs)" ${*:+--target "$@"} >&2
}
