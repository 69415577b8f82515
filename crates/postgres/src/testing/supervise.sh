#!/bin/sh
# Owns one PostgreSQL cluster in a temporary folder. The folder of PostgreSQL's programs is the only argument.
#
# Reads one command per line from stdin and answers each with one line: `ok`, or what went wrong. When stdin
# closes, which it does however the test process ends, it stops the server and removes the folder.
#
#   create PASSWORD   make the cluster; its superuser is `orchestrator`
#   follow URL        make the cluster as a standby of the one at this URL
#   start PORT        start the server on 127.0.0.1:PORT and wait until it accepts connections
#   stop              shut the server down in an orderly way
#   crash             kill every process of the server at once

# A test process that dies while we work must not take us with it: the answer is lost, the cleaning is not.
trap '' PIPE

programs=$1
folder=$(mktemp -d "${TMPDIR:-/tmp}/orchestrator-postgres.XXXXXX") || exit
data=$folder/data
log=$folder/log
server=
cd "$folder" || exit

create() {
    printf '%s\n' "$1" >"$folder/password"
    # Text is ordered by language, as on most servers in production: a statement that needs the order of bytes
    # has to say so. PostgreSQL before version 15, or built without ICU, refuses and orders by bytes.
    initialize --locale-provider=icu --icu-locale=en-US || initialize
}

initialize() {
    # Passwords travel in clear: hashing them would cost an unoptimised client 80 ms for each connection.
    "$programs/initdb" --pgdata="$data" --username=orchestrator --pwfile="$folder/password" \
        --auth=password --encoding=UTF8 --locale=C --no-sync "$@"
}

follow() {
    # Where the programs are links, this one may have none.
    "$(dirname "$(readlink -f "$programs/postgres")")/pg_basebackup" --dbname="$1" --pgdata="$data" \
        --write-recovery-conf --wal-method=stream --checkpoint=fast --no-sync
}

start() {
    "$programs/postgres" -D "$data" -p "$1" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
        -c fsync=on -c max_connections=200 &
    server=$!
    for _ in $(seq 1200); do
        if accepts_connections; then
            return 0
        elif ! kill -0 "$server" 2>/dev/null; then
            server=
            return 1
        fi
        sleep 0.05
    done
    end QUIT
    return 1
}

# The file's first line is the process that wrote it (one that crashed leaves its file behind), its eighth
# the state; a standby that takes connections is no more than that.
accepts_connections() {
    case "$(sed -n -e 1p -e '8s/ *$//p' "$data/postmaster.pid" 2>/dev/null | tr '\n' ' ')" in
        "$server ready " | "$server standby ") return 0 ;;
        *) return 1 ;;
    esac
}

stop() {
    end INT
}

crash() {
    # shellcheck disable=SC2046 # One word for each process.
    kill -KILL "$server" $(cat "/proc/$server/task/$server/children" 2>/dev/null || pgrep -P "$server")
    wait "$server"
    server=
}

end() {
    if [ -n "$server" ]; then
        kill -"$1" "$server"
        wait "$server"
        server=
    fi
}

while read -r command argument; do
    if "$command" "$argument" >>"$log" 2>&1; then
        echo ok
    else
        echo "PostgreSQL failed to $command: $(tail -n 5 "$log" | tr '\n' ' ')"
    fi
done

end QUIT
# A server that crashed and was not started again has left its segment of shared memory behind.
if [ -e "$data/postmaster.pid" ]; then
    ipcrm -m "$(sed -n '7s/.* //p' "$data/postmaster.pid")"
fi
cd / && rm -rf "$folder"
