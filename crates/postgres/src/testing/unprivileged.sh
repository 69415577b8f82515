#!/bin/sh
# Runs the command given as arguments. When we are root it runs as an unprivileged user, because PostgreSQL
# refuses to run as root: as `postgres` where that user exists, else as `nobody`.

if [ "$(id -u)" -ne 0 ]; then
    exec "$@"
fi

user=nobody
if id postgres >/dev/null 2>&1; then
    user=postgres
fi

if command -v setpriv >/dev/null; then
    exec setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups -- "$@"
elif command -v runuser >/dev/null; then
    exec runuser -u "$user" -- "$@"
else
    # shellcheck disable=SC2016 # `$@` is for the shell that su starts.
    exec su -s /bin/sh -c 'exec "$@"' -- "$user" sh "$@"
fi
