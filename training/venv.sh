# Sourced by the scripts beside it, from this folder: makes .venv as requirements.txt says and sets PYTHON.
PYTHON="$PWD/.venv/bin/python"
if ! cmp -s requirements.txt .venv/requirements.txt; then
  echo "training: installing Python packages into $PWD/.venv" >&2
  "${PYTHON3:-python3}" -m venv .venv
  "$PYTHON" -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
  cp requirements.txt .venv/requirements.txt
fi
