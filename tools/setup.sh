#!/bin/sh
# Sets up this checkout: finds a Python and hands over to tools/provision, which does the work.
# usage: tools/setup.sh [--bench] [--test]
# PYTHON=/path/to/python3 chooses the interpreter; otherwise it is the newest on PATH that will do.
set -eu
cd -- "$(dirname -- "$0")/.."

oldest=311
newest=314 # the locked packages have no wheels for a newer one
version_of() {
  version=$("$1" -c 'import sys; print("%d%02d" % sys.version_info[:2])' 2>/dev/null) || version=0
  case $version in '' | *[!0-9]*) version=0 ;; esac
}
stop() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

# A finished .venv keeps the interpreter it was made with; looking for another takes time.
known=
if [ -e .venv/brokerproof-stamp.json ]; then
  known=$(sed -n 's/^executable = //p' .venv/pyvenv.cfg 2>/dev/null) || known=
fi

best=0 python=
if [ -n "${PYTHON:-}" ]; then
  version_of "$PYTHON"
  [ "$version" -ge "$oldest" ] || stop "PYTHON=$PYTHON is not a Python 3.11 or newer."
  python=$PYTHON
elif [ -n "$known" ] && [ -x "$known" ]; then
  python=$known
else
  IFS=:
  for directory in $PATH; do
    for candidate in "$directory"/python3.[1-9][0-9] "$directory"/python3; do
      [ -x "$candidate" ] || continue
      version_of "$candidate"
      if [ "$version" -gt "$best" ] && [ "$version" -le "$newest" ]; then
        best=$version python=$candidate
      fi
    done
  done
  unset IFS
  [ "$best" -ge "$oldest" ] ||
    stop "there is no Python 3.11 to 3.14 on PATH${python:+ (the newest is $python)}. Install one (Debian 12" \
      "and 13, Ubuntu 24.04: apt-get install python3; Ubuntu 22.04: apt-get install python3.11" \
      "python3.11-venv), or name it: make setup PYTHON=/path/to/python3"
fi

exec "$python" -m tools.provision "$@"
