#!/bin/sh
# Makes golden/ anew. ULMFIT_PYTHON names a Python that has what requirements.txt lists (default: python3).
set -eu
cd "$(dirname "$0")"
for script in language_model classifier optimizer; do
  "${ULMFIT_PYTHON:-python3}" -W ignore::FutureWarning "$script.py"
done
