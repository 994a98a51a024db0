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
  awk -v name="$1" -v tty="$([ -t 1 ] && echo 1 || echo 0)" '
    /^ *[0-9]+% [0-9]+\/[0-9]+ / {
      percent = $1 + 0
      if (tty) printf "\r%s: building, %3d %% (%s)\033[K", name, percent, $2
      else if (percent >= shown) { printf "%s: building, %d %% (%s)\n", name, percent, $2; shown = percent + 20 }
      fflush()
    }
    /warning:/ { warnings++ }
    END {
      if (tty) printf "\r\033[K"
      if (warnings) printf "%s: %d warnings, see build/%s/build.log\n", name, warnings, name
    }'
}
