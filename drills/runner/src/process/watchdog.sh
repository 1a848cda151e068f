# Cleans up after the program that holds the other end of our standard input.
# Lines: "group PGID STARTTIME SIGNAL", "forget PGID", "remove FOLDER".
# End of file means that the program is gone, however it went.
trap '' INT TERM HUP QUIT
mark=$1
groups=
folders=

start_time() { # PID: field 22 of its stat, counted after the name, which may hold spaces
    { read -r stat < "/proc/$1/stat"; } 2>/dev/null || return 1
    set -- ${stat##*) }
    echo "${20}"
}

while read -r what id start signal; do
    case $what in
        group) groups="$groups $id:$start:$signal" ;;
        forget)
            kept=
            for g in $groups; do
                [ "${g%%:*}" = "$id" ] || kept="$kept $g"
            done
            groups=$kept
            ;;
        remove) folders="$folders
$id" ;;
    esac
done

ours() { # PGID:START:SIGNAL: false when the number has been given to somebody else since
    now=$(start_time "${1%%:*}") || return 0
    s=${1#*:}
    [ "$now" = "${s%%:*}" ]
}

for g in $groups; do
    ours "$g" && kill -s "${g##*:}" -- "-${g%%:*}" 2>/dev/null
done
tries=0
while [ $tries -lt 50 ]; do
    left=
    for g in $groups; do
        ours "$g" && kill -s 0 -- "-${g%%:*}" 2>/dev/null && left=1
    done
    [ -z "$left" ] && break
    sleep 0.1
    tries=$((tries + 1))
done
for g in $groups; do
    ours "$g" && kill -s KILL -- "-${g%%:*}" 2>/dev/null
done

# Whoever left its group (a supervised run, a daemon) still carries our mark.
for e in /proc/[0-9]*/environ; do
    p=${e#/proc/}
    p=${p%/environ}
    [ "$p" = "$$" ] && continue
    if grep -qsF "EVENKEEL_DRILL_MARK=$mark" "$e"; then kill -s KILL "$p" 2>/dev/null; fi
done

IFS='
'
for f in $folders; do
    case $f in
        /*/evenkeel-*) rm -rf -- "$f" ;;
    esac
done
