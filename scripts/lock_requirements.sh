#!/bin/sh
# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
#
# Freezes requirements/*.in, resolved together, into requirements/*.txt: `make lock`.
set -eu
cd "$(dirname "$0")/.."
UV=${UV:-.venv/bin/uv}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One call for Python 3.10 to 3.12; [tool.uv] in pyproject.toml limits it to the supported machines.
compile() {
    "$UV" pip compile --universal --python-version 3.10 --no-annotate --no-header --quiet "$@"
}

cat requirements/*.in > "$work/all.in"
compile "$work/all.in" --output-file "$work/all.txt"
for purpose in ros runtime torch networks classical train dev docs; do
for purpose in ros runtime torch networks fleet train dev docs; do
    compile --constraint "$work/all.txt" "requirements/$purpose.in" \
        --output-file "$work/$purpose.txt"
    {
        echo "# Frozen from $purpose.in by \`make lock\`; do not edit."
        # Every line says again for which machines the whole list is.
        sed -E -e "s/ and platform_machine == 'x86_64'//" -e "s/ and sys_platform == 'linux'//" \
            -e "s/ and platform_python_implementation == 'CPython'//" \
            -e "s/ ; python_full_version < '3\.13'$//" -e "s/ and python_full_version < '3\.13'//" \
            "$work/$purpose.txt"
    } > "requirements/$purpose.txt"
done
