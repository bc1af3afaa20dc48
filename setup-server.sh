#!/usr/bin/env bash
# Set up PixelWise on a Debian or Ubuntu machine. Safe to repeat: a second run changes only what is out of date.
#
#   bash setup-server.sh                development, if there is no user produser: creates the virtual environment, .env
#                                       and the database in this folder
#   sudo bash setup-server.sh           production, if the user produser exists: copies the code to /opt/pixelwise, does
#                                       the same there, and sets up the systemd service and nginx with HTTPS
#
# Settings from the environment (sudo NAME=value bash setup-server.sh, for one run) or, for every run, from .env:
#   MODEL_URL, MODEL_SHA256   download the model from this address; its checksum must match
#   PIXELWISE_NGINX           folder of nginx's configuration  (default: /etc/nginx); off: do not set up nginx
#   PIXELWISE_BACKUP          off: disable the nightly backup
# Settings from the environment:
#   PIXELWISE_ROOT            folder of the service            (default: /opt/pixelwise)
#   PIXELWISE_USER            user that runs the service       (default: produser)
#   PIXELWISE_UNITS           folder of systemd's units        (default: /etc/systemd/system)
#   PIXELWISE_CERTIFICATE     folder of nginx's certificate    (default: /etc/ssl/pixelwise)
#   PIXELWISE_VENV            virtual environment, development only (default: .venv)
set -euo pipefail
umask 022
cd "$(dirname "${BASH_SOURCE[0]}")"

here=$PWD
root=${PIXELWISE_ROOT:-/opt/pixelwise}
user=${PIXELWISE_USER:-produser}
units=${PIXELWISE_UNITS:-/etc/systemd/system}
certificates=${PIXELWISE_CERTIFICATE:-/etc/ssl/pixelwise}
production=""
# An upgrade replaces these. Everything else in the folder is data and is kept.
code=(app alembic deploy docs models scripts alembic.ini init_db.py requirements.txt setup-server.sh .env.example benchmarks README.md CHANGELOG.md CONTRIBUTING.md LICENSE SECURITY.md)

fail() {
    echo "pixelwise: $*" >&2
    exit 1
}

# What runs in a session of its own ends first; without this, bash would then go on. On HUP it may also omit traps on EXIT.
trap 'fail "interrupted; run the script again"' HUP INT TERM

main() {
    case $* in
    "") ;;
    -h | --help)
        sed -n '2,/^set/s/^# \{0,1\}//p' setup-server.sh
        exit 0
        ;;
    *) fail "unknown argument $1; see setup-server.sh --help" ;;
    esac
    if id -u "$user" >/dev/null 2>&1; then
        production=yes
        set_up_prod
    else
        set_up_dev
    fi
}

set_up_dev() {
    install_missing_packages
    python=${PIXELWISE_VENV:-$PWD/.venv}/bin/python
    scripts/install
    scripts/configure
    check_settings
    fetch_model
    check_model
    migrate
    echo "Done. Start the server with scripts/serve, or with $python -m uvicorn app.main:app --host 0.0.0.0 --port 8000"
}

set_up_prod() {
    [ "$(id -u)" = 0 ] || fail "the user $user exists, so this is a production machine; run: sudo bash setup-server.sh"
    install_missing_packages
    [ "${root#/}" != "$root" ] || fail "PIXELWISE_ROOT must be an absolute path"
    case $root$certificates in
    *[!A-Za-z0-9/._@+~-]*) fail "PIXELWISE_ROOT and PIXELWISE_CERTIFICATE may contain only letters, digits and /._@+~-, because units and nginx's site name them" ;;
    esac
    check_place PIXELWISE_ROOT "$root"
    # The service's group may write here, because SQLite creates the database and its WAL in this folder. The sticky bit
    # protects root's files, the code and .env, from the service. Others get only x, for nginx: anyone who can open the
    # folder can lock it, which blocks SQLite's checkpoints.
    # The service can create any new name here at any moment. So root follows no link here, and uses only what belongs
    # to root.
    install -d -o root -g "$(id -gn "$user")" -m 1771 "$root"
    [ -e "$root/backups" ] || as_service_user mkdir -m 700 "$root/backups"
    export PIXELWISE_VENV=$root/.venv
    python=$PIXELWISE_VENV/bin/python
    install_packages # Before the code is copied: if it fails, nothing has changed.
    if [ -f "$root/.env" ]; then
        [ "$PWD" -ef "$root" ] || check_all_settings
        (cd "$root" && check_database_folder)
    fi
    local env_owner
    # Without the file, the service may still make it before this script does.
    env_owner=$(stat --format=%U "$root/.env" 2>/dev/null || echo "$user")
    scripts/copy-code "$root" "$user" "${code[@]}"
    cd "$root"
    scripts/configure "sqlite:///$root/pixelwise.db"
    check_env_file "$env_owner"
    fetch_model
    set_owners
    # The service cannot write bytecode, so each start would compile the code.
    "$python" -I -m compileall -q app alembic init_db.py
    check_model as_service_user
    install_units
    upgrade_service
    start_timers
    trap report_access EXIT # Also if nginx cannot be set up.
    set_up_nginx
}

# Create the folder first: mkdir fails if the service takes the name. A virtual environment that does not belong to root
# may contain anything, so it is made anew; if that fails, it comes back.
install_packages() {
    old=""
    remove_leftovers
    trap put_environment_back EXIT
    if [ -n "$(find "$PIXELWISE_VENV" \( ! -user root -o ! -type l -perm /022 \) -print -quit 2>/dev/null)" ]; then
        echo "Making $PIXELWISE_VENV anew, because it does not belong to root, or others may write it."
        old=$(mktemp -d "$root/.new.XXXXXXXX")
        mv -T "$PIXELWISE_VENV" "$old/venv"
    fi
    [ -e "$PIXELWISE_VENV" ] || mkdir "$PIXELWISE_VENV"
    [ "$(stat --format=%U "$PIXELWISE_VENV")" = root ] || fail "$PIXELWISE_VENV was made by another process; run this script again"
    scripts/install || exit 1
    trap - EXIT
    [ -z "$old" ] || rm -rf "$old"
}

put_environment_back() {
    [ -n "$old" ] && [ -e "$old/venv" ] || return 0
    rm -rf "$PIXELWISE_VENV" && mv -T "$old/venv" "$PIXELWISE_VENV" && rmdir "$old"
}

# A killed run left these folders, which only root can enter. What it was replacing is kept.
remove_leftovers() {
    local left=("$root" -maxdepth 1 -name '.new.*' -type d -user root -perm 0700)
    find "${left[@]}" -exec rm -rf '{}/venv' '{}/new' '{}/copy' \;
    find "${left[@]}" -empty -delete
    find "${left[@]}" -printf 'A run that was killed left %p/old. Look at it, then delete %p.\n'
}

# Root follows some settings. If the service's user wrote them, the operator must have seen them first.
check_env_file() {
    local name
    check_settings
    if [ "$(stat --format=%U .env)" != root ] || [ "$(stat --dereference --format=%U .env)" != root ]; then
        fail "$root/.env is a link to a file that does not belong to root, or became one; replace it"
    fi
    # Its owner and mode are set below. A second name may be that of a file elsewhere.
    [ "$(stat --format=%h .env)" = 1 ] || fail "$root/.env is a hard link; replace it by a copy"
    [ "$1" != root ] || return 0
    for name in MODEL_URL PIXELWISE_NGINX; do
        [ -n "${!name:-}" ] || [ -z "$(setting "$name")" ] ||
            fail "$root/.env belonged to $1 and sets $name, which root would follow; look at the file, then run this script again"
    done
}

# The unit may write only in its own folder and where an operator's drop-in allows it.
check_database_folder() {
    local url folder allowed
    # The service does not get the environment of this script.
    url=$(unset DATABASE_URL && setting DATABASE_URL)
    case $url in
    sqlite:///* | sqlite+pysqlite:///*) url=${url#*:///} ;;
    *) return 0 ;;
    esac
    folder=$(dirname "$(realpath --canonicalize-missing "${url%%\?*}")")
    case $folder/ in
    "$(realpath "$root")"/*) return 0 ;;
    esac
    # A path may have - or + before it.
    while IFS= read -r allowed; do
        allowed=$(realpath --canonicalize-missing "$allowed")
        allowed=${allowed%/}
        case $folder/ in
        "$allowed"/*) return 0 ;;
        esac
    done < <(sed -n 's/^ReadWritePaths *=//p' "$units"/pixelwise.service.d/*.conf 2>/dev/null | grep -o '/[^" ]*')
    fail "the unit of the service may not write in $folder, where DATABASE_URL is; move the database to $root, or put these lines into $units/pixelwise.service.d/database.conf, and the same for pixelwise-backup and pixelwise-prune: [Service] ReadWritePaths=$folder"
}

# Fail if the service's user could replace one of the folders that the path leads through.
check_place() {
    local folder
    folder=$(realpath --canonicalize-missing "$2")
    while [ "$folder" != / ]; do
        folder=$(dirname "$folder")
        [ -e "$folder" ] || continue
        if [ "$(stat --format=%U "$folder")" = "$user" ] || { [ ! -k "$folder" ] && user_can_write "$folder"; }; then
            fail "$user can change $folder, so root uses nothing there; choose another $1"
        fi
    done
}

user_can_write() {
    as_service_user test -w "$1"
}

upgrade_service() {
    local now before
    now=$(deployed_checksum)
    before=$(cat "$PIXELWISE_VENV/deployed" 2>/dev/null || true)
    if [ "$now" = "$before" ] && service_is_active; then
        echo "Nothing has changed; the service was not restarted."
        return
    fi
    # The service keeps running: its release works on the tables of the next one. On PostgreSQL no request waits. On
    # SQLite reads continue, and a write that waits too long gets a 503 with Retry-After.
    migrate as_service_user ||
        fail "the database could not be upgraded, and the service was not restarted; fix the error above, then run this script again"
    start_service
    [ "$now" = "$before" ] || echo "$now" >"$PIXELWISE_VENV/deployed"
}

install_missing_packages() {
    python3 -I -c 'import ensurepip, venv' 2>/dev/null && return
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 0
    echo "Installing Debian's packages python3 and python3-venv."
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends python3 python3-venv >/dev/null
}

check_settings() {
    "$python" -I "$here/app/env_file.py"
}

# Check the service's settings before the code is copied. Not where this script is in the same folder: the code is there
# already, and root would import modules from a folder in which the service's user can write.
check_all_settings() {
    (cd "$root" && env -i PATH="$PATH" "$python" -IB -c 'import sys
sys.path.append(sys.argv[1])
from app.config import ConfigurationError, get_settings
try:
    get_settings()
except ConfigurationError as error:
    sys.exit(f"pixelwise: {error}")' "$here")
}

# Print a setting as the application reads it: from the environment, from .env, or else the default given.
setting() {
    "$python" -I "$here/app/env_file.py" "$@"
}

# The code includes a model. MODEL_URL replaces it, but only with a file that has the given checksum.
fetch_model() {
    local url wanted path
    url=$(setting MODEL_URL)
    [ -n "$url" ] || return 0
    wanted=$(setting MODEL_SHA256)
    [ -n "$wanted" ] || fail "MODEL_URL is set and MODEL_SHA256 is not; set it to the model's checksum, as printed by sha256sum"
    path=$(setting MODEL_PATH models/digits.onnx)
    ! has_checksum "$path" "$wanted" || return 0
    if [ -n "$production" ]; then
        check_place MODEL_PATH "$path"
        ! user_can_write "$(dirname "$path")" || fail "$user can write in the folder of MODEL_PATH, so root puts no file there; use MODEL_PATH=models/..."
    fi
    command -v curl >/dev/null || fail "curl is needed to fetch the model; install it: apt install curl"
    echo "Fetching the model from MODEL_URL."
    # Hidden, so that copy-code does not take it along if this script is killed.
    partial=$(mktemp "$(dirname "$path")/.model.XXXXXXXX")
    trap 'rm -f "$partial"' EXIT
    # Other users can see arguments, and the address may contain a secret.
    printf 'url = "%s"\n' "${url//[\"\\]/\\&}" | curl --config - --fail --silent --show-error --location --max-time 600 --output "$partial" ||
        fail "the model could not be fetched from MODEL_URL; $path was not changed"
    has_checksum "$partial" "$wanted" ||
        fail "the file at MODEL_URL does not have the checksum MODEL_SHA256; $path was not changed"
    chmod 644 "$partial"
    mv "$partial" "$path"
    trap - EXIT
}

has_checksum() {
    "$python" -I -c 'import hashlib, sys
file, wanted = sys.argv[1:]
sys.exit(hashlib.file_digest(open(file, "rb"), "sha256").hexdigest() != wanted.lower())' "$1" "$2" 2>/dev/null
}

# check_model and migrate take a command to run under, such as as_service_user.
check_model() {
    "$@" "$python" - <<'PYTHON'
import sys

sys.excepthook = lambda _kind, error, _traceback: print(f"pixelwise: {error}", file=sys.stderr)
sys.path.insert(0, ".")

import numpy

from app.classifier import classify

classify(numpy.zeros((28, 28), numpy.uint8))
PYTHON
}

migrate() {
    echo "Creating or upgrading the database."
    "$@" "$python" init_db.py
}

# The service reads .env; it does not get this shell's environment, nor its terminal, into which it could type commands.
# Its new files, such as the database, are private, as those of the unit are.
as_service_user() {
    (umask 077 && exec setsid --wait runuser -u "$user" -- env -i PATH="$PATH" "$@")
}

# Everything named here belongs to root, and the service cannot rename it. The exception is pixelwise.db*: a file with two
# names may be a link to a file of root's elsewhere, so its owner stays. Version 0.5 let everybody read the database. Root
# would follow a link that took its name, so the service's user closes it.
set_owners() {
    local group part
    group=$(id -gn "$user")
    for part in "${code[@]}" .git .venv; do
        # A .git of the service's user stays: git would follow the configuration in one of root.
        [ "$part" != .git ] || { [ -d .git ] && [ "$(stat --format=%U .git)" = root ]; } || continue
        [ -e "$part" ] || continue
        chown -hR root:root "$part"
        find "$part" ! -type l -exec chmod u+rwX,go+rX,go-w {} +
    done
    chown -h "root:$group" .env
    [ -L .env ] || chmod 640 .env
    find . -maxdepth 1 -name 'pixelwise.db*' -type f -links 1 ! -user "$user" -exec chown -h "$user:$group" {} +
    as_service_user find . -maxdepth 1 -name 'pixelwise.db*' -type f -user "$user" -perm /007 -exec chmod o-rwx {} +
}

# Print a checksum of everything that the running service depends on.
deployed_checksum() {
    {
        find app alembic alembic.ini init_db.py requirements.txt -type f ! -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum
        # The model in the .env of 0.5 may no longer exist, and there may be no shadow model.
        sha256sum .env "$units/pixelwise.service" "$(setting MODEL_PATH models/digits.onnx)" "$(setting SHADOW_MODEL_PATH)" 2>/dev/null || true
        cat .venv/installed-*
    } | sha256sum
}

install_units() {
    local source target unit address
    mkdir -p "$units"
    address=$(default_address)
    for source in deploy/*.service deploy/*.timer; do
        target=$units/${source#deploy/}
        # One of these places may contain another's name: the line break stands for the first.
        unit=$(sed "s|/etc/ssl/pixelwise|\n|g; s|/opt/pixelwise|$root|g; s|\n|$certificates|g; s|^User=produser$|User=$user|; s|^Environment=UVICORN_HOST=.*|Environment=UVICORN_HOST=$address|" "$source")
        [ "$unit" != "$(cat "$target" 2>/dev/null)" ] || continue
        echo "Installing $target."
        echo "$unit" >"$target"
        chmod 644 "$target"
    done
    ! systemd_reads_units || systemctl daemon-reload
}

# nginx needs only 127.0.0.1. Without nginx the port is open, and where it was open before, it stays open.
default_address() {
    if [ "$(setting PIXELWISE_NGINX)" = off ] || port_is_open; then
        echo 0.0.0.0
    else
        echo 127.0.0.1
    fi
}

port_is_open() {
    grep -Eqs '^(Environment=UVICORN_HOST=|ExecStart=.* --host )0\.0\.0\.0' "$units/pixelwise.service"
}

systemd_reads_units() {
    [ "$units" = /etc/systemd/system ] && [ -d /run/systemd/system ]
}

service_is_active() {
    systemd_reads_units && systemctl is-active --quiet pixelwise
}

start_service() {
    local tries
    if [ "$units" != /etc/systemd/system ] || ! command -v systemctl >/dev/null; then
        echo "The unit is in $units, but systemd does not read that folder. Start the service by hand."
        return
    fi
    systemctl enable --quiet pixelwise
    if ! systemd_reads_units; then
        echo "systemd is not running. The service is enabled and starts at the next boot."
        return
    fi
    systemctl restart pixelwise
    for ((tries = 0; tries < 30; tries++)); do
        if is_ready; then
            echo "The service answers on port 8000."
            return
        fi
        sleep 1
    done
    fail "the service was started but is not ready; see journalctl -u pixelwise"
}

is_ready() {
    local host
    host=$(setting UVICORN_HOST 127.0.0.1)
    case $host in
    0.0.0.0) host=127.0.0.1 ;;
    ::) host=::1 ;;
    esac
    # Without a proxy, which would look for the service on its own machine.
    "$python" -I -c 'import http.client, sys
connection = http.client.HTTPConnection(sys.argv[1], 8000, timeout=5)
connection.request("GET", "/health/ready")
sys.exit(connection.getresponse().status != 200)' "$host" 2>/dev/null
}

start_timers() {
    local timer change
    [ "$units" = /etc/systemd/system ] && command -v systemctl >/dev/null || return 0
    for timer in deploy/*.timer; do
        change=(enable start)
        case $timer in
        # Nothing deletes data until the operator enables it.
        *-prune.timer) continue ;;
        *-backup.timer) [ "$(setting PIXELWISE_BACKUP)" != off ] || change=(disable stop) ;;
        esac
        systemctl "${change[0]}" --quiet "${timer#deploy/}"
        ! systemd_reads_units || systemctl "${change[1]}" "${timer#deploy/}"
    done
}

set_up_nginx() {
    local nginx
    nginx=$(setting PIXELWISE_NGINX /etc/nginx)
    [ "$nginx" != off ] || return 0
    PIXELWISE_ROOT=$root PIXELWISE_NGINX=$nginx PIXELWISE_CERTIFICATE=$certificates scripts/nginx
}

report_access() {
    if port_is_open && [ -z "$(setting UVICORN_HOST)" ]; then
        echo "Port 8000 is open to other machines, in plain HTTP. To close it, add UVICORN_HOST=127.0.0.1 to $root/.env and run this script again."
    fi
    echo "The key is SECRET_API_KEY in $root/.env. To see it: sudo grep SECRET_API_KEY $root/.env"
}

main "$@"
