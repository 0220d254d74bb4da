#!/usr/bin/env bash
# Load a tap into Batch once, for a scheduler that keeps no state of its own.
#
#   TAP="tap-postgres --config tap.json" TARGET="target-batch --config batch.json" ./load.sh
#
# STATE (state.json) is the tap's state, TRIES (3) the attempts, PAUSE (300) the seconds between two of them.
# Ends with the exit code of target-batch; with 1 if only the tap failed; with 75 if a load is still running.
# Needs bash and flock (util-linux).
set -u

: "${TAP:?names the tap and its options}" "${TARGET:?names target-batch and its options}"
STATE=${STATE:-state.json}

# The tap and the target inherit the lock: a load that outlives this script keeps the next one away.
exec 9>"$STATE.lock"
flock --nonblock 9 || { echo "The previous load is still running." >&2; exit 75; }

running=() stopped=0
stop() {
    ((stopped += 1))
    kill -TERM ${running[@]+"${running[@]}"} 2>/dev/null
}
trap stop TERM INT

# Note what to stop on a signal, and stop it at once if the signal was first.
started() {
    running=("$@")
    ((stopped == 0)) || kill -TERM "$@" 2>/dev/null
}

# Wait for a process to its end; a signal to this script interrupts `wait`, not the process.
ended() {
    local before code
    while :; do
        before=$stopped
        wait "$1"
        code=$?
        ((stopped > before)) || return "$code"
    done
}

keep_state() {
    local line last=
    # A line that was cut off is no state: `read` fails on it, which leaves it out.
    while IFS= read -r line; do last=$line; done <"$STATE.passed"
    [[ -z $last ]] || { printf '%s\n' "$last" >"$STATE.new" && mv "$STATE.new" "$STATE"; }
    rm -f "$STATE.passed" "$STATE.pipe"
}

load() {
    local resume=() tap target tap_code code
    [[ ! -s $STATE ]] || resume=(--state "$STATE")
    rm -f "$STATE.pipe"
    mkfifo -m 600 "$STATE.pipe"
    # Without quotes on purpose: TAP and TARGET are commands with options.
    $TAP ${resume[@]+"${resume[@]}"} >"$STATE.pipe" & tap=$!
    $TARGET <"$STATE.pipe" >"$STATE.passed" & target=$!
    started "$target" "$tap"
    ended "$target"; code=$?
    ended "$tap"; tap_code=$?
    running=()
    keep_state
    ((code == 0 && tap_code != 0)) && return 1
    return "$code"
}

for ((try = 1; ; try++)); do
    load
    code=$?
    ((code == 1 && stopped == 0 && try < ${TRIES:-3})) || exit "$code"
    echo "Stopped with exit code 1 (attempt $try); once more in ${PAUSE:-300} seconds." >&2
    sleep "${PAUSE:-300}" & pause=$!
    started "$pause"
    ended "$pause"
    running=()
    ((stopped == 0)) || exit "$code"
done
