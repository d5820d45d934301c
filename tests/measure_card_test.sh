#!/bin/bash
# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
# scripts/measure_card.sh on the CPU: observations and coefficients under the card's name, and tables of ratios that name
# every peer that was not run. Then with a double of moecal, which tells what it was asked for: nothing that was measured
# or fitted of other observations is ever replaced, in a clone or beside a bundle, with or without a python3.
# usage: measure_card_test.sh SOURCE_DIR BUILD_DIR
set -euo pipefail
source_dir=$1 build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "measure_card_test.sh: $1" >&2; cat "$work/said" >&2; exit 1; }

cat >"$work/suite.jsonl" <<'SUITE'
{"operation": "memory_copy", "point": {"bytes": 65536}, "dtypes": {"a": "uint8", "c": "uint8"}}
{"operation": "memory_copy", "point": {"bytes": 1048576}, "dtypes": {"a": "uint8", "c": "uint8"}}
{"operation": "memory_copy", "point": {"bytes": 134217728}, "dtypes": {"a": "uint8", "c": "uint8"}}
{"operation": "memory_stream", "point": {"bytes": 134217728, "reads": 2, "writes": 1}, "dtypes": {"a": "f32", "c": "f32"}}
SUITE
MOECAL_BUILD=$build "$source_dir/scripts/measure_card.sh" --device cpu --suite "$work/suite.jsonl" --out "$work" --run-id test >"$work/said"
observations=("$work"/results/observations/cpu-*/test.jsonl)
coefficients=("$work"/results/coefficients/cpu-*.json)
ratios=("$work"/results/ratios/cpu-*/test.md)
[[ -s ${observations[0]} && -s ${coefficients[0]} && -s ${ratios[0]} ]] || fail "a file is missing"
grep -q '^| memory_stream triad | oracle_loop | 1 of 1 | ' "${ratios[0]}" || fail "no share of a copy's rate"
for peer in vLLM TransformerEngine SGLang DeepGEMM; do grep -q "^- $peer" "${ratios[0]}" || fail "$peer is not named"; done
grep -q 'PyTorch' "${ratios[0]}" || fail "PyTorch is not named"
[[ ! -e $work/results/observations/unnamed ]] || fail "the staging folder is left"
# The same run again has nothing left to measure, and loses nothing.
cp "${observations[0]}" "$work/before.jsonl"
MOECAL_BUILD=$build "$source_dir/scripts/measure_card.sh" --device cpu --suite "$work/suite.jsonl" --out "$work" --run-id test >"$work/said"
cmp "$work/before.jsonl" "${observations[0]}" || fail "a run that was continued measured its points again"
[[ $(grep -c '^# Ratios' "${ratios[0]}") == 2 ]] || fail "the ratios of a continued run were replaced"
if "$source_dir/scripts/measure_card.sh" --device tpu 2>"$work/said"; then fail "an unknown device was taken"; fi
grep -q "not 'tpu'" "$work/said" || fail "the device is not named"

# A double: one observation a call, of the card of --card, and a fit that lists its inputs. FAIL: its exit status.
mkdir -p "$work/build/bin"
cat >"$work/build/bin/moecal" <<'DOUBLE'
#!/bin/bash
echo "moecal $*" >>"$DOUBLE_LOG"
verb=$1 card=h200-sxm out='' source='' files=()
shift
while [[ $# -gt 0 ]]; do
  case "$1" in
    --card) card=$2; shift ;;
    --out) out=$2; shift ;;
    --source) source=$2; shift ;;
    --*) [[ $1 == --energy ]] || shift ;;
    *) files+=("$1") ;;
  esac
  shift
done
if [[ $verb == measure ]]; then
  [[ -z ${INTERRUPTED:-} ]] || { echo '{"half": 1}' >>"$out"; exit 130; }
  if [[ -n ${SLOW:-} ]]; then # until Ctrl-C, or 20 s
    trap 'exit 130' INT
    echo '{"half": 1}' >>"$out"
    for ((tenths = 0; tenths < 200; ++tenths)); do sleep 0.1; done
  fi
  echo "{\"card\":\"$card\",\"schema\":\"moecal.environment/1\"}" >>"$out"
  [[ -z ${LIMITED:-} ]] || echo "to go on: moecal measure --out $out"
  exit "${FAIL:-0}"
fi
[[ -z ${UNFIT:-} ]] || { echo half >"$out"; exit 2; }
printf '{\n "schema": "moecal.coefficients/1",\n "source": "%s",\n "files": "%s"\n}\n' "$source" "${files[*]}" >"$out"
touch "${out%.json}.csv"
DOUBLE
chmod +x "$work/build/bin/moecal"
export DOUBLE_LOG=$work/log
tools=$work/tools # all but a python3
mkdir "$tools"
for tool in bash cat cp date dirname env grep mkdir mktemp mv printf readlink rm rmdir sed sleep sort tee touch wc; do ln -s "$(type -P "$tool")" "$tools/"; done
measure() { # measure OUT OPTION...: by the double, without a python3
  : >"$DOUBLE_LOG"
  PATH=$tools MOECAL_BUILD=$work/build "$source_dir/scripts/measure_card.sh" --out "$@" >"$work/said" 2>&1
}

measure "$work/plain" --run-id one || fail "without a python3 the run ended badly"
grep -q 'no python3' "$work/said" || fail "it is not said that there are no ratios"
[[ ! -e $work/plain/results/ratios ]] || fail "an empty table of ratios is left"
for name in observations/h200-sxm/one.jsonl coefficients/h200-sxm.json; do
  grep -q "^wrote $work/plain/results/$name" "$work/said" || fail "it is not said that $name was written"
done
if grep -q -e --energy "$DOUBLE_LOG"; then fail "energy is measured unasked"; fi
# Another run is another file; the fit is of both, and takes the place of the fit of the first.
measure "$work/plain" --energy --suite full
grep -q -e ' --energy ' "$DOUBLE_LOG" || fail "--energy is lost"
runs=("$work"/plain/results/observations/h200-sxm/*.jsonl)
[[ ${#runs[@]} == 2 && $(basename "${runs[0]}") =~ ^20[0-9]{6}T[0-9]{6}Z\.jsonl$ ]] || fail "the second run is not a file of its time"
[[ $(grep -c 'observations/h200-sxm/.*jsonl .*jsonl' "$work/plain/results/coefficients/h200-sxm.json") == 1 ]] || fail "the fit is not of both runs"
# The same run again goes on in its file, and failed points do not take it away.
FAIL=1 measure "$work/plain" --run-id one && fail "failed points are not in the exit status"
[[ $(wc -l <"$work/plain/results/observations/h200-sxm/one.jsonl") == 2 ]] || fail "a run that was continued was replaced"
grep -q '^wrote' "$work/said" || fail "after failed points it is not said what was written"

# What a time limit left goes on where the file is now, with all options.
LIMITED=1 measure "$work/limited" --run-id one --with "$work/suite.jsonl" || fail "a run that met its time limit ended badly"
go_on=$(sed -n 's/^measure_card.sh: to go on: //p' "$work/said")
[[ $go_on == *"/scripts/measure_card.sh "*"--with $work/suite.jsonl --out $work/limited --run-id one"* ]] ||
  fail "it is not said how a run that met its time limit goes on"
(cd "$work" && PATH=$tools bash -c "$go_on" >"$work/said" 2>&1) || fail "what is said to go on cannot be pasted: $go_on"
[[ $(wc -l <"$work/limited/results/observations/h200-sxm/one.jsonl") == 2 ]] || fail "the pasted command did not go on"
LIMITED=1 MOECAL_GO_ON='RUN_ID=one sbatch x' measure "$work/limited" --run-id one || fail "a job that met its time limit ended badly"
grep -qx 'measure_card.sh: to go on: RUN_ID=one sbatch x' "$work/said" || fail "a job script's word on how to go on is lost"
if grep -q '^to go on: ' "$work/said"; then fail "a file that was moved is named"; fi

UNFIT=1 measure "$work/unfit" --run-id one && fail "a fit that failed is not in the exit status"
grep -q "^wrote $work/unfit/results/observations/h200-sxm/one.jsonl" "$work/said" || fail "after a failed fit it is not said what was written"
if grep -q '^wrote .*coefficients' "$work/said"; then fail "coefficients were not written, and are said to be"; fi
measure "$work/unfit" --run-id one
cp "$work/unfit/results/coefficients/h200-sxm.json" "$work/whole.json"
UNFIT=1 measure "$work/unfit" --run-id one && fail "a fit that failed is not in the exit status"
cmp "$work/whole.json" "$work/unfit/results/coefficients/h200-sxm.json" || fail "a fit that failed took the earlier one away"

# Coefficients of other observations stay: those of a clone, and those that a bundle brings.
mkdir -p "$work/clone/results/coefficients"
printf '{\n "source": "public tables"\n}\n' >"$work/clone/results/coefficients/h200-sxm.json"
cp "$work/clone/results/coefficients/h200-sxm.json" "$work/public.json"
measure "$work/clone"
cmp "$work/public.json" "$work/clone/results/coefficients/h200-sxm.json" || fail "the public fit was replaced"
[[ -s $work/clone/results/coefficients/measured/h200-sxm.json ]] || fail "the own fit is missing"
measure "$work/clone" --with "$work/suite.jsonl"
grep -q '"source": "measure_card.sh: observations/h200-sxm with suite.jsonl"' "$work/clone/results/coefficients/measured/h200-sxm.json" ||
  fail "a fit with other observations does not say so"
grep -q "suite.jsonl" <(grep '"files"' "$work/clone/results/coefficients/measured/h200-sxm.json") || fail "--with is lost"
cp "$work/public.json" "$work/clone/results/coefficients/measured/h200-sxm.json"
measure "$work/clone" && fail "coefficients of other observations were replaced"
cmp "$work/public.json" "$work/clone/results/coefficients/measured/h200-sxm.json" || fail "coefficients of other observations were replaced"

bundle=$work/bundle
mkdir -p "$bundle/share/moecal/results/coefficients" "$bundle/bin"
cp "$source_dir/scripts/measure_card.sh" "$bundle/"
printf '#!/bin/bash\nexec "%s" "$@"\n' "$work/build/bin/moecal" >"$bundle/run.sh"
chmod +x "$bundle/run.sh"
cp "$work/public.json" "$bundle/share/moecal/results/coefficients/h200-sxm.json"
(cd "$work/bundle" && PATH=$tools ./measure_card.sh >"$work/said" 2>&1) || fail "a bundle does not measure"
[[ -s $bundle/results/coefficients/measured/h200-sxm.json && ! -e $bundle/results/coefficients/h200-sxm.json ]] ||
  fail "the name of the public fit was taken"

# A card without a spec sheet is measured by the name it is given.
measure "$work/other" --card gb300-nvl
grep -q -e '^moecal measure .*--card gb300-nvl' "$DOUBLE_LOG" || fail "--card is lost"
[[ -s $work/other/results/coefficients/gb300-nvl.json ]] || fail "a card of a given name is not fitted"

# A clone that nobody has built: what is missing is installed, or named where nothing can be installed, and it is built.
mkdir -p "$work/fresh/scripts" "$work/fresh_tools"
cp "$source_dir/scripts/measure_card.sh" "$source_dir/scripts/packages.sh" "$work/fresh/scripts/"
cp -P "$tools"/* "$work/fresh_tools/"
cat >"$work/fresh_tools/cmake" <<'DOUBLE'
#!/bin/bash
[[ $1 == --preset ]] || exit 0
mkdir -p "$4/bin"
cp -r "$DOUBLE_BUILD/bin/." "$4/bin/"
DOUBLE
chmod +x "$work/fresh_tools/cmake"
(PATH=$work/fresh_tools DOUBLE_BUILD=$work/build MOECAL_BUILD='' "$work/fresh/scripts/measure_card.sh" --device cpu >"$work/said" 2>&1) ||
  fail "a fresh clone does not measure"
grep -q '^== not found: .*g++' "$work/said" || fail "what the build needs is not looked for"
[[ -s $work/fresh/results/coefficients/h200-sxm.json ]] || fail "a fresh clone is not fitted"

# Where installing fails, it is said, and the build goes on without what it may not need.
if [[ $EUID -eq 0 ]]; then
  printf '#!/bin/bash\necho "E: no internet"\nexit 100\n' >"$work/fresh_tools/apt-get"
  chmod +x "$work/fresh_tools/apt-get"
  (PATH=$work/fresh_tools DOUBLE_BUILD=$work/build MOECAL_BUILD='' "$work/fresh/scripts/measure_card.sh" --device cpu --run-id bare \
    >"$work/said" 2>&1) || fail "a package that cannot be installed ends the run"
  grep -q '^== could not be installed.*ccache.*Going on without' "$work/said" || fail "it is not said what could not be installed"
  grep -q '^E: no internet' "$work/said" || fail "it is not said why nothing could be installed"
fi

# A run that was cut stays, says how to go on, and goes on.
INTERRUPTED=1 measure "$work/cut" --run-id night && fail "an interrupt is not in the exit status"
[[ -s $work/cut/results/observations/unnamed/night.jsonl ]] || fail "what was measured before the interrupt is lost"
grep -q 'to go on: .*--run-id night' "$work/said" || fail "it is not said how to go on"
measure "$work/cut" --run-id night
[[ $(wc -l <"$work/cut/results/observations/h200-sxm/night.jsonl") == 2 ]] || fail "the run did not go on"
# Ctrl-C as a terminal sends it, to all that runs.
set -m
SLOW=1 measure "$work/stopped" --run-id night &
for ((tenths = 0; tenths < 100; ++tenths)); do [[ ! -s $work/stopped/results/observations/unnamed/night.jsonl ]] || break; sleep 0.1; done
kill -INT -- "-$!"
status=0
wait "$!" || status=$?
set +m
[[ $status == 130 ]] || fail "Ctrl-C ends with $status"
[[ -s $work/stopped/results/observations/unnamed/night.jsonl ]] || fail "what was measured before Ctrl-C is lost"
grep -q 'to go on: .*--run-id night' "$work/said" || fail "after Ctrl-C it is not said how to go on"

# Peers: where they lie, by which Python, and after what ends them.
mkdir -p "$work/beside/sgl_kernel"
touch "$work/beside/sgl_kernel/__init__.py"
cat >"$work/python" <<'DOUBLE'
#!/bin/bash
[[ $1 != */releases.py ]] || exit 0 # of no packages
echo "python $*" >>"$DOUBLE_LOG"
while [[ $1 != --out ]]; do shift; done
mkdir -p "$(dirname "$2")"
[[ ${PEERS:-0} == 2 ]] || echo "# Ratios" >>"$2"
if [[ -n ${SLOW_PEERS:-} ]]; then # until it is told to end, or 20 s
  trap 'echo "# of what there was" >>"$2"; exit 130' TERM
  for ((tenths = 0; tenths < 200; ++tenths)); do sleep 0.1; done
fi
echo peer >>"${2%.md}.csv"
exit "${PEERS:-0}"
DOUBLE
chmod +x "$work/python"
with_peers() { MOECAL_PYTHON=$work/python measure "$work/peers" --run-id one --peer-path "$work/beside" "$@"; }
tables=$work/peers/results/ratios/h200-sxm/one.md
with_peers || fail "with peers the run ended badly"
grep -q "^python .*peers.py .*--peer-path $work/beside" "$DOUBLE_LOG" || fail "--peer-path is lost"
if grep -q -e --seconds "$DOUBLE_LOG"; then fail "peers are given a time that nobody asked for"; fi
grep -q "^wrote $tables" "$work/said" || fail "it is not said where the tables are"
grep -q "^wrote ${tables%.md}.csv" "$work/said" || fail "it is not said where peers' times are"
# Every package that peers.py looks into such a folder for.
help=$("$source_dir/scripts/measure_card.sh" --help)
while read -r package; do
  mkdir -p "$work/built/$package/$package"
  touch "$work/built/$package/$package/__init__.py"
  MOECAL_PYTHON=$work/python measure "$work/built/out" --run-id "$package" --peer-path "$work/built/$package" ||
    fail "a folder with $package is refused"
  [[ $help == *"$package"* ]] || fail "--help does not name $package"
done <"$source_dir/scripts/peers/packages.txt"
[[ -d $work/built/deep_gemm ]] || fail "packages.txt has no deep_gemm"
with_peers --peer-seconds 101
grep -q '^python .*--seconds 60 --compile-seconds 41 ' "$DOUBLE_LOG" || fail "--peer-seconds is lost"
grep -q '^python .*--command .*--peer-seconds 101' "$DOUBLE_LOG" || fail "--peer-seconds is not in the heading"
status=0
PEERS=130 with_peers --peer-seconds 08 || status=$?
[[ $status == 130 && $(grep -c '^# Ratios' "$tables") == 3 ]] || fail "what peers took before Ctrl-C is lost ($status)"
PEERS=1 with_peers && fail "peers that failed are not in the exit status"
grep -q "To try again: $work/python .*--peer-path $work/beside" "$work/said" || fail "it is not said how to run the peers again"
grep -q "^wrote $tables" "$work/said" || fail "it is not said where the tables are that were finished"
rm -r "$work/peers/results/ratios"
PEERS=2 with_peers && fail "peers that failed at once are not in the exit status"
if grep -q "^wrote $tables" "$work/said"; then fail "tables that were not written are said to be"; fi
# SIGTERM to the script alone, as Slurm may send it, ends the peers, which keep what they have.
PATH=$tools MOECAL_BUILD=$work/build MOECAL_PYTHON=$work/python SLOW_PEERS=1 "$source_dir/scripts/measure_card.sh" \
  --out "$work/ended" --peer-seconds 7 --run-id one >"$work/said" 2>&1 &
tables=$work/ended/results/ratios/h200-sxm/one.md
for ((tenths = 0; tenths < 100; ++tenths)); do [[ ! -s $tables ]] || break; sleep 0.1; done
sleep 0.3 # the double is on its way to its trap
kill -TERM "$!"
status=0
wait "$!" || status=$?
[[ $status == 130 ]] || fail "SIGTERM ends with $status"
grep -q '^# of what there was' "$tables" || fail "peers were not told to end, or what they had is lost"
grep -q 'to go on: .*--peer-seconds 7 .*--run-id one' "$work/said" || fail "after SIGTERM it is not said how to go on"

# Asked before anything is measured.
refused() { # refused SENTENCE OPTION...
  measure "${@:2}" && fail "${*:2} was taken"
  grep -q "$1" "$work/said" || fail "${*:2}: the reason is not '$1'"
  [[ ! -s $DOUBLE_LOG ]] || fail "${*:2}: it was measured all the same"
}
refused 'holds none of vllm, transformer_engine, sgl_kernel, deep_gemm, torch with' "$work/peers" --peer-path "$work"
refused "$work/suite.jsonl/results cannot be written" "$work/suite.jsonl"
refused "a whole number of seconds, not '1.5'" "$work/peers" --peer-seconds 1.5
refused "no such file to read" "$work/peers" --with "$work/none.jsonl"
MOECAL_PYTHON=$work/none refused "there is no such program" "$work/peers"
echo "a card is measured, fitted and compared by one command, and nothing is lost"
