#!/bin/sh
# Installs tests/debian-packages.txt where it may (root on Debian), and says what it could not do.
set -u
cd "$(dirname "$0")"
missing=""
for package in $(grep -v '^#' debian-packages.txt); do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "posthouse: not installed, and only root on Debian could:$missing"
  echo "posthouse: the tests that need them will be counted as not run"
  exit 0
fi
echo "posthouse: installing Debian packages for the tests:$missing"
# No daemon may start by being installed: the tests start their own.
policy=/usr/sbin/policy-rc.d
made=""
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && made=1
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
install() { apt-get install -y -q --no-install-recommends "$@" >>"$log" 2>&1; }
if ! install $missing && ! { apt-get update -q >>"$log" 2>&1; install $missing; }; then
  # One that cannot be had must not keep the others out.
  for package in $missing; do
    install "$package" || echo "posthouse: could not install $package; tests that need it will be counted as not run"
  done
fi
rm -f "$log"
[ -z "$made" ] || rm -f "$policy"
exit 0
