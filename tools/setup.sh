#!/usr/bin/env bash
# Makes .venv and installs what requirements.txt pins: tools/setup.sh [PYTHON]
# Without PYTHON, a .venv that works is kept, and a new one takes the first of `versions` on PATH.
set -euo pipefail
cd "${0%/*}/.."
versions=(3.13 3.12 3.14 3.11) # Those of requires-python in pyproject.toml, the preferred first.
supported="Python 3.11, 3.12, 3.13 or 3.14"
remedy="make PYTHON=/path/to/python3.13 run"
export PATH=${PATH//"$PWD/.venv/bin:"/} # .venv cannot make itself anew.

fail() {
  echo "$*" >&2
  exit 1
}

# A name on PATH says little: a shim of pyenv is there for versions that do not run.
version_of() {
  "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2> /dev/null
}

find_python() {
  local version python
  for version in "${versions[@]}"; do
    while read -r python; do
      if [ "$(version_of "$python")" = "$version" ]; then
        echo "$python"
        return
      fi
    done < <(type -ap "python$version")
  done
  fail "PATH must have $supported but has none that runs. Install one (Debian 12, Ubuntu 24.04 or newer:" \
    "apt-get install python3-venv; macOS: brew install python@3.13; others: pyenv install 3.13) or name one: $remedy"
}

check_given() {
  local version rule="PYTHON must be $supported but got '$1', which"
  version=$(version_of "$1") || fail "$rule does not run. Name another: $remedy"
  [[ " ${versions[*]} " == *" $version "* ]] || fail "$rule is Python $version. Name another: $remedy"
}

check_modules() {
  "$1" -c 'import ensurepip, venv' 2> /dev/null ||
    fail "Python $2 must have the modules venv and ensurepip but '$1' lacks one." \
      "Install them (Debian, Ubuntu: apt-get install python$2-venv) or name another Python: $remedy"
}

make_venv() {
  local prefix
  rm -rf .venv
  "$1" -m venv .venv || fail "$1 must make .venv but did not. Name another Python: $remedy"
  # pip reads the pip.conf of its own environment only; that of the Python which made it counts here, too.
  prefix=$("$1" -c 'import sys; print(sys.prefix)')
  [ ! -f "$prefix/pip.conf" ] || ln -s "$prefix/pip.conf" .venv/pip.conf
}

python=${1-}
[ -z "$python" ] || check_given "$python"
has=$(.venv/bin/python -c 'import pip' 2> /dev/null && version_of .venv/bin/python) || has=
# The scripts of .venv name the folder in which it was made: that of a project before a move or a copy.
made=
if [[ -n "$has" && "$(cat .venv/pyvenv.cfg 2> /dev/null)" =~ " -m venv "([^$'\n']+) ]]; then
  [ "${BASH_REMATCH[1]}" = "$(pwd -P)/.venv" ] || made=${BASH_REMATCH[1]} has=
fi
[ -n "$python$has" ] || python=$(find_python)
python=${python:-.venv/bin/python}
version=$(version_of "$python")
echo "Python $version ($("$python" -c 'import sys; print(sys.executable)'))"

if [ "$version" != "$has" ]; then
  check_modules "$python" "$version"
  "$python" tools/folder.py
  if [ -n "$has" ]; then
    echo ".venv has Python $has: it is made anew."
  elif [ -n "$made" ]; then
    echo ".venv was made in $made: it is made anew."
  elif [ -e .venv ]; then
    echo ".venv does not run: it is made anew."
  fi
  make_venv "$python"
fi

if ! [[ .venv/ready -nt requirements.txt && .venv/ready -nt pyproject.toml ]]; then
  install=(.venv/bin/python tools/uv.py pip install --quiet --python .venv/bin/python)
  "${install[@]}" --requirement requirements.txt
  "${install[@]}" --no-deps --editable .
  rm -rf .venv/cache
  .venv/bin/python tools/libraries.py
  touch .venv/ready
fi
.venv/bin/python tools/scm.py
