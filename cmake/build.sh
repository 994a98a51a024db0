# Sourced by ./run and ./test: configuring and building one preset, with progress that is visible but quiet.

if [ -t 1 ]; then bold=$'\e[1m' plain=$'\e[0m'; else bold='' plain=''; fi

heading() { printf '%s== %s%s\n' "$bold" "$*" "$plain"; }

# build PRESET [TARGET...]: configures build/PRESET when needed and builds the targets, all of them by default.
# CMAKE_ARGS (array) goes to cmake. The output is shown when something fails; build/PRESET/build.log keeps it.
build() {
  local preset=$1 log="build/$1/build.log"
  shift
  mkdir -p "build/$preset"
  # Read by CMake at the first configuration of a folder only, like CXX and CXXFLAGS.
  if command -v ccache >/dev/null; then export CMAKE_CXX_COMPILER_LAUNCHER=ccache; fi
  if ! cmake --preset "$preset" "${CMAKE_ARGS[@]}" >"$log" 2>&1; then
    cat "$log" >&2
    echo "configuring build/$preset failed; if the folder is from another checkout, remove it" >&2
    return 1
  fi
  local began=$SECONDS
  # A line of Ninja's status each tenth of the way; with a terminal, one line that is overwritten.
  if ! NINJA_STATUS='%p %f/%t ' ninja -C "build/$preset" "$@" 2>&1 | tee -a "$log" | show_progress "$preset"; then
    echo >&2
    grep -vE '^ *[0-9]+% [0-9]+/[0-9]+ |^ninja: Entering' "$log" | tail -n 200 >&2
    echo "building build/$preset failed" >&2
    return 1
  fi
  printf '%s: built in %d s\n' "$preset" $((SECONDS - began))
}

show_progress() {
  local line percent shown=0 warnings=0 progress='^ *([0-9]+)% ([0-9]+/[0-9]+) '
  while IFS= read -r line; do
    if [[ $line =~ $progress ]]; then
      percent=${BASH_REMATCH[1]}
      if [ -t 1 ]; then
        printf '\r%s: building, %3d %% (%s)\e[K' "$1" "$percent" "${BASH_REMATCH[2]}"
      elif [ "$percent" -ge "$shown" ]; then
        printf '%s: building, %d %% (%s)\n' "$1" "$percent" "${BASH_REMATCH[2]}"
        shown=$((percent + 20))
      fi
    elif [[ $line == *warning:* ]]; then
      warnings=$((warnings + 1))
    fi
  done
  if [ -t 1 ]; then printf '\r\e[K'; fi
  if [ "$warnings" -gt 0 ]; then echo "$1: $warnings warnings, see build/$1/build.log"; fi
}
