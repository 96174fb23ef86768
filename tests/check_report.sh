#!/bin/sh
# check_report.sh RIG DIR: a report of results that hold good, bad and hostile things, looked at in a
# browser, and its JUnit XML. TAP, as cmocka writes it; exit status 1 if something is wrong.
set -eu
rig=$(realpath "$1")
work=$2
here=$(realpath "$(dirname "$0")")
failed=0
count=0

good() {
    count=$((count + 1))
    echo "ok $count - $*"
}

bad() {
    count=$((count + 1))
    echo "not ok $count - $*"
    failed=1
}

skip() {
    count=$((count + 1))
    echo "not ok $count # SKIP $*"
}

# expect NAME WANTED SEEN
expect() {
    if [ "$2" = "$3" ]; then good "$1"; else bad "$1: $3, not $2"; fi
}

finish() {
    echo "1..$count"
    exit "$failed"
}

# What a guest's console can hold, under a name that a directory can have.
hostile_results() {
    dir="$work/rig/out/<img src=x onerror=alert(1)>"
    mkdir -p "$dir"
    sed -e 's/"scenario": "fails"/"scenario": "<b>"/' "$here/report/fails/result.json" >"$dir/result.json"
    {
        printf '</pre><script>document.title="owned"</script>\r\n\033[2J\033]0;owned\007\377\376\300\274script\300\276 \355\240\200\n'
        printf '\0\001\010 --> ]]> <!-- <style>*{display:none}</style> &lt;kept&gt;\n'
        head -c 300000 /dev/zero | tr '\0' 'A'
    } >"$dir/boot-01.log"
    head -c 5000 /dev/urandom >"$dir/boot-02.log"
    head -c 900 "$here/report/heals/screen-01.png" >"$dir/screen-01.png"
}

rm -rf "$work"
mkdir -p "$work/rig/out" "$work/home"
work=$(realpath "$work")
cp -R "$here/report/proof" "$work/"
for result in heals fails unfinished; do cp -R "$here/report/$result" "$work/rig/out/"; done
cp -R "$here/report/heals" "$work/rig/state-ready-1"
hostile_results

"$rig" --rig "$work/rig" --scenarios "$here/../qemu/scenarios" report --out "$work"

if command -v xmllint >/dev/null; then
    xpath() { xmllint --nonet --xpath "$1" "$work/junit.xml"; }
    expect "junit.xml is well-formed" '' "$(xmllint --nonet --noout "$work/junit.xml" 2>&1)"
    expect "its root" testsuites "$(xpath 'name(/*)')"
    expect "its suites" 'scenarios states proof-calls' \
        "$(xpath 'concat(//testsuite[1]/@name, " ", //testsuite[2]/@name, " ", //testsuite[3]/@name)')"
    for suite in 1 2 3; do
        at="//testsuite[$suite]"
        expect "suite $suite counts its cases" "$(xpath "count($at/testcase)")" "$(xpath "string($at/@tests)")"
        expect "suite $suite counts its failures" "$(xpath "count($at/testcase/failure)")" "$(xpath "string($at/@failures)")"
        expect "suite $suite counts its errors" "$(xpath "count($at/testcase/error)")" "$(xpath "string($at/@errors)")"
    done
    expect "each case has class, name and time" "$(xpath 'count(//testcase)')" "$(xpath 'count(//testcase[@classname and @name and @time])')"
    expect "failures have messages" "$(xpath 'count(//failure)')" "$(xpath 'count(//failure[@message and @type])')"
else
    skip "junit.xml: xmllint is not installed; make deps brings it"
fi

if ! command -v chromium >/dev/null; then
    skip "browser: chromium is not installed; make deps brings it"
    finish
fi

# browse FLAGS... URL: what the page says, in dom; what the browser logs, in log. It finds no other
# machine, whatever it or the page would like to load.
browse() {
    HOME="$work/home" timeout -s KILL 120 chromium --headless --no-sandbox --disable-gpu --no-first-run \
        --disable-background-networking --disable-component-update --disable-sync --disable-extensions \
        --user-data-dir="$work/home/profile" --enable-logging=stderr --log-net-log="$work/net.json" \
        --host-resolver-rules='MAP * ~NOTFOUND' --virtual-time-budget=10000 "$@" 2>"$work/log"
}

browse --allow-file-access-from-files --window-size=1400,1000 --dump-dom \
    "file://$here/report/check.html#file://$work/report.html|5" >"$work/dom" || bad "chromium ended with $?; see $work/log"
sed -n '/<pre id="found">/,/<\/pre>/p' "$work/dom" | sed -e 's/<pre id="found">//' -e 's/<\/pre>.*//' >"$work/found"
expect "the page was looked at to its end" end "$(tail -n 1 "$work/found")"
sort -u "$work/found" | grep -v '^end$' >"$work/judged" || true
while read -r line; do
    case $line in
    'ok '*) good "${line#ok }" ;;
    *) bad "${line#not ok }" ;;
    esac
done <"$work/judged"
expect "no errors on the console" '' "$(grep -a CONSOLE "$work/log" || true)"
# The browser's own requests have no page as their origin.
expect "the page asked for nothing" '' "$(grep -aE '"initiator":.*"url":"(https?|wss?|ftp):' "$work/net.json" |
    grep -v '"initiator":"not an origin"' || true)"
finish
