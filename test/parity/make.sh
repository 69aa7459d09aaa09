#!/bin/sh
# Makes golden/ anew: the same bytes each time, on one machine and with one set of versions.
#
# ULMFIT_PYTHON names a Python that has what requirements.txt lists; without it, .venv beside this file becomes one. Where ULMFIT_DATA
# names a folder of the data sets that tokens.py lists, their digests are made anew too; otherwise they stay as they are.
set -eu
python=${ULMFIT_PYTHON:-}
case $python in
  /*) ;;
  */*) python=$PWD/$python ;;
esac
data=${ULMFIT_DATA:+$(cd "$ULMFIT_DATA" && pwd)}
cd "$(dirname "$0")"

if [ -z "$python" ]; then
  python=.venv/bin/python
  if ! cmp -s requirements.txt .venv/complete.txt; then
    echo 'installing PyTorch, fastai and spaCy into test/parity/.venv (1 GB to several, as PyTorch is built for this machine)'
    rm -rf .venv
    python3 -m venv .venv
    "$python" -m pip install --disable-pip-version-check --quiet -r requirements.txt
    cp requirements.txt .venv/complete.txt
  fi
fi

for script in language_model classifier presets optimizer objectives batches tokens import_fastai; do
  if [ "$script" = tokens ] && [ -n "$data" ]; then set -- "$data"; else set --; fi
  "$python" -W ignore::FutureWarning "$script.py" "$@"
done
