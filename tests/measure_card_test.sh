#!/bin/bash
# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
# scripts/measure_card.sh on the CPU: observations and coefficients under the card's name, and a table of ratios that
# names every peer it did not run.
# usage: measure_card_test.sh SOURCE_DIR BUILD_DIR
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/suite.jsonl" <<'SUITE'
{"operation": "memory_copy", "point": {"bytes": 65536}, "dtypes": {"a": "uint8", "c": "uint8"}}
{"operation": "memory_copy", "point": {"bytes": 1048576}, "dtypes": {"a": "uint8", "c": "uint8"}}
{"operation": "memory_copy", "point": {"bytes": 134217728}, "dtypes": {"a": "uint8", "c": "uint8"}}
{"operation": "memory_stream", "point": {"bytes": 134217728, "reads": 2, "writes": 1}, "dtypes": {"a": "f32", "c": "f32"}}
SUITE
MOECAL_BUILD=$2 "$1/scripts/measure_card.sh" --device cpu --suite "$work/suite.jsonl" --out "$work" --run-id test >"$work/said"
observations=("$work"/results/observations/cpu-*/test.jsonl)
coefficients=("$work"/results/coefficients/cpu-*.json)
ratios=("$work"/results/ratios/cpu-*.md)
[[ -s ${observations[0]} && -s ${coefficients[0]} && -s ${ratios[0]} ]]
grep -q '^| memory_stream triad | oracle_loop | 1 of 1 | ' "${ratios[0]}"
for peer in vLLM TransformerEngine SGLang; do grep -q "^- $peer" "${ratios[0]}"; done
grep -q 'PyTorch' "${ratios[0]}"
[[ ! -e $work/results/observations/unnamed ]]
if "$1/scripts/measure_card.sh" --device tpu 2>"$work/said"; then
  echo "an unknown device was taken" >&2
  exit 1
fi
grep -q "not 'tpu'" "$work/said"
echo "a card is measured, fitted and compared by one command"
