# What a careful engineer runs on another host: the service is asked every ten seconds, two
# answers in a row count either way, and a page without a server behind it is put into place
# whole, at both servers. By a systemd timer this would be OnUnitActiveSec=10s.
set -u
since=
failed=0
passed=0
past=

page() { # headline
    for folder in "$FIRST" "$SECOND"; do
        mkdir -p "$folder/page"
        ln -sfn page "$folder/current"
        cat >"$folder/page/draft" <<HTML
<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">
<meta http-equiv="refresh" content="30"><title>Back office status</title></head>
<body><h1>$1</h1><p>Looked at $(date -u '+%Y-%m-%d %H:%M:%S UTC').</p>
<h2>Past incidents</h2><ul>$past</ul></body></html>
HTML
        mv "$folder/page/draft" "$folder/page/index.html"
    done
}

while :; do
    if curl --silent --fail --max-time 5 --output /dev/null "$SERVICE"; then
        passed=$((passed + 1))
        failed=0
    else
        failed=$((failed + 1))
        passed=0
    fi
    now=$(date -u '+%H:%M UTC')
    if [ "$failed" -ge 2 ] && [ -z "$since" ]; then
        since=$now
    fi
    if [ "$passed" -ge 2 ] && [ -n "$since" ]; then
        past="<li>The service could not be reached from $since to $now. Resolved.</li>$past"
        since=
    fi
    if [ -n "$since" ]; then
        page "The service cannot be reached since $since"
    else
        page "All systems work"
    fi
    sleep 10
done
