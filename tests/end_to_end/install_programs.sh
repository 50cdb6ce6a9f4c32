#!/usr/bin/env bash
# Install the programs that the end-to-end tests run, on Debian 12 and its relatives, as root.
#
# Quick when nothing is missing. No daemon is started: a policy-rc.d stands in the way while packages are installed.
# rsyslog and syslog-ng-core exclude each other, so syslog-ng is unpacked below .cache/ and not installed.
set -euo pipefail
cd "$(dirname "$0")/../.."

packages=(rsyslog rsyslog-gnutls rsyslog-openssl rsyslog-relp bsdutils openssl)
packages+=(curl lftp openssh-client openssh-server vsftpd) # clients of the drop box, and servers to compare it with
packages+=(gnupg minisign)                                 # make and check signatures
packages+=(strace)                                         # tests/crash/power_loss.py rebuilds files from its trace
packages+=(sec)                                            # its rules are compared with ours
# What syslog-ng-core links to; its package would pull them in.
libraries=(libivykis0 libjson-c5 libnet1 libpcre3 libwrap0)
unpacked=.cache/syslog-ng

say() { printf 'end-to-end programs: %s\n' "$*" >&2; }

missing=()
for package in "${packages[@]}" "${libraries[@]}"; do
  status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
unpack=yes
if [ -x "$unpacked/usr/sbin/syslog-ng" ] || [ -x /usr/sbin/syslog-ng ]; then unpack=no; fi
[ "${#missing[@]}" -gt 0 ] || [ "$unpack" = yes ] || exit 0

if ! command -v apt-get >/dev/null; then
  say "this is no Debian: tests that need a missing program are skipped (${missing[*]})"
  exit 0
fi
if [ -x /usr/sbin/syslog-ng ]; then
  say "syslog-ng is installed here and excludes rsyslog: the tests with rsyslog are skipped"
  exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
  [ "${#missing[@]}" -eq 0 ] || say "not root: tests that need them are skipped. To run them: apt-get install ${missing[*]}"
  [ "$unpack" = no ] || say "not root: the tests with syslog-ng are skipped unless $0 is run as root once"
  exit 0
fi

policy=/usr/sbin/policy-rc.d
kept=
if [ -e "$policy" ] || [ -L "$policy" ]; then
  kept=$(mktemp -u "$policy.XXXXXX")
  mv "$policy" "$kept"
fi
restore() {
  rm -f "$policy"
  [ -z "$kept" ] || mv "$kept" "$policy"
}
trap restore EXIT
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

# A machine without fresh package lists cannot install; one with them need not fetch them again.
apt-get --simulate install --no-install-recommends "${missing[@]}" >/dev/null 2>&1 &&
  [ -n "$(find /var/lib/apt/lists -maxdepth 1 -name '*Packages*' -mtime -1 -print -quit)" ] ||
  apt-get update --quiet=2

if [ "${#missing[@]}" -gt 0 ]; then
  say "installing ${missing[*]}"
  DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 --no-install-recommends \
    -o Dpkg::Use-Pty=0 "${missing[@]}" >/dev/null
fi
if [ "$unpack" = yes ]; then
  say "unpacking syslog-ng-core below $unpacked"
  download=$(mktemp -d)
  chmod 755 "$download" # apt fetches as the user _apt
  (cd "$download" && apt-get download --quiet=2 -o APT::Sandbox::User=root syslog-ng-core)
  mkdir -p .cache
  rm -rf "$unpacked"
  dpkg -x "$download"/syslog-ng-core_*.deb "$unpacked.new"
  mv "$unpacked.new" "$unpacked"
  rm -rf "$download"
fi
