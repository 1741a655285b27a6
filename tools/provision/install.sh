#!/bin/sh
# Installs Debian packages, as root. The services that come with unbound, Prometheus and OpenSSH are neither started
# nor left switched on: only the programs are wanted, and a resolver or a login nobody asked for does harm.
# usage: install.sh PACKAGE...
set -eu
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 LC_ALL=C

# Debian policy, "interfacing with init scripts": policy-rc.d is asked before a service is started.
policy=${POLICY_RC_D:-/usr/sbin/policy-rc.d}
kept=$policy.kept-by-brokerproof
installed() {
  [ "$(dpkg-query --show --showformat='${db:Status-Status}' "${1:-unbound}" 2>/dev/null)" = installed ] \
    && echo yes || echo no
}
restore() {
  if [ -e "$kept" ]; then mv -f "$kept" "$policy"; else rm -f "$policy"; fi
}
service_of() {
  case $1 in openssh-server) echo ssh ;; *) echo "$1" ;; esac
}
finish() {
  restore
  if [ "$before" = no ] && [ "$(installed)" = yes ]; then update-rc.d unbound disable >/dev/null 2>&1 || true; fi
  for package in $quiet; do
    if [ "$(installed "$package")" = yes ]; then
      update-rc.d "$(service_of "$package")" disable >/dev/null 2>&1 || true
    fi
  done
}

before=$(installed)
quiet=
for package in prometheus prometheus-alertmanager prometheus-blackbox-exporter openssh-server; do
  case " $* " in *" $package "*) [ "$(installed "$package")" = yes ] || quiet="$quiet $package" ;; esac
done
services=
for package in $quiet; do services="$services $(service_of "$package")"; done
# What an earlier run left that was killed.
if grep -qs brokerproof "$policy"; then
  before=$(sed -n 's/^# unbound before: //p' "$policy")
  restore
elif [ -e "$kept" ] && [ ! -e "$policy" ]; then
  restore
fi

trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
if [ -e "$policy" ]; then mv "$policy" "$kept"; fi
cat >"$policy" <<POLICY
#!/bin/sh
# Here only while brokerproof's set-up installs packages: unbound stays off, all else as before.
# unbound before: $before
case " \$* " in *" unbound "* | *" unbound.service "*) exit 101 ;; esac
for quiet in$services; do
  case " \$* " in *" \$quiet "* | *" \$quiet.service "*) exit 101 ;; esac
done
[ ! -x "$kept" ] || exec "$kept" "\$@"
exit 0
POLICY
chmod 755 "$policy"

dpkg --configure -a
apt-get --quiet update || echo 'apt-get update failed; trying with the package lists as they are'
apt-get --quiet --yes --no-install-recommends -o DPkg::Lock::Timeout=300 \
  -o Dpkg::Options::=--force-confold install "$@"
