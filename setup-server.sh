#!/usr/bin/env bash
# Set PixelWise up on a Debian or Ubuntu machine. Safe to repeat: what is right already is left as it is.
#
#   bash setup-server.sh                dev, where there is no user produser: the virtual environment, .env, the model
#                                       and the database, all in this folder
#   sudo bash setup-server.sh           prod, where the user produser exists: the same in /opt/pixelwise, to which this
#                                       folder's code is copied unless it is that folder, the service pixelwise, and
#                                       nginx with HTTPS in front of it
#
# From the environment or .env:
#   MODEL_URL, MODEL_SHA256   fetch the model from there; refused unless it has this checksum
#   PIXELWISE_NGINX           where nginx is configured  (default: /etc/nginx); off: leave nginx alone
#   PIXELWISE_BACKUP          off: leave the timer of the nightly backup alone
# From the environment:
#   PIXELWISE_ROOT            where prod lives           (default: /opt/pixelwise)
#   PIXELWISE_USER            whom the service runs as   (default: produser)
#   PIXELWISE_UNITS           where systemd finds units  (default: /etc/systemd/system)
#   PIXELWISE_CERTIFICATE     nginx's certificate, key   (default: /etc/ssl/pixelwise)
#   PIXELWISE_VENV            dev's virtual environment  (default: .venv)
set -euo pipefail
umask 022
cd "$(dirname "${BASH_SOURCE[0]}")"

here=$PWD
root=${PIXELWISE_ROOT:-/opt/pixelwise}
user=${PIXELWISE_USER:-produser}
units=${PIXELWISE_UNITS:-/etc/systemd/system}
certificates=${PIXELWISE_CERTIFICATE:-/etc/ssl/pixelwise}
# What belongs to the program and gives way to its next version. All else beside it is data and stays.
code=(app alembic deploy docs models scripts alembic.ini init_db.py requirements.txt setup-server.sh .env.example README.md)

fail() {
    echo "pixelwise: $*" >&2
    exit 1
}

main() {
    case ${1:-} in
    "") ;;
    -h | --help)
        sed -n '2,/^set/s/^# \{0,1\}//p' setup-server.sh
        exit 0
        ;;
    *) fail "unknown argument $1; setup-server.sh --help says what there is" ;;
    esac
    if id -u "$user" >/dev/null 2>&1; then
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
    pull_model
    check_model
    migrate
    echo "Done. Start it with scripts/serve, or by hand: $python -m uvicorn app.main:app --host 0.0.0.0 --port 8000"
}

set_up_prod() {
    [ "$(id -u)" = 0 ] || fail "the user $user exists, so this is a production machine; run: sudo bash setup-server.sh"
    install_missing_packages
    [ "${root#/}" != "$root" ] || fail "PIXELWISE_ROOT must begin with a slash"
    # The service writes its database and what SQLite keeps beside it into this folder, so its group may. The sticky
    # bit lets it touch its own files there and none of root's: not the code, and not .env. Others may pass through to what
    # nginx serves; who could open the folder could lock it, and SQLite's log would grow.
    install -d -o root -g "$(id -gn "$user")" -m 1771 "$root"
    [ -d "$root/backups" ] || install -d -o "$user" -g "$(id -gn "$user")" -m 700 "$root/backups"
    export PIXELWISE_VENV=$root/.venv
    python=$PIXELWISE_VENV/bin/python
    [ ! -e "$PIXELWISE_VENV" ] || chown -hR root:root "$PIXELWISE_VENV"
    scripts/install # From the new list, and before the code: if it fails, nothing has changed.
    [ "$here" -ef "$root" ] || copy_code
    cd "$root"
    scripts/configure "sqlite:///$root/pixelwise.db"
    pull_model
    set_owners
    check_model as_the_service
    install_units
    bring_service_up
    start_timers
    put_nginx_in_front
}

bring_service_up() {
    local now before
    now=$(deployed)
    before=$(cat "$PIXELWISE_VENV/deployed" 2>/dev/null || true)
    if [ "$now" = "$before" ] && running; then
        echo "Nothing has changed; the running service is left alone."
        return
    fi
    # The service goes on meanwhile: its release works on the tables of the next one. PostgreSQL keeps no request waiting;
    # SQLite lets everybody read, and asks those who write to come back if it takes longer than they can wait.
    migrate as_the_service ||
        fail "the database could not be brought up to date, and the service was not restarted; do what the line above says, then run this again"
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

# A setting as the application sees it: the environment, then .env, then the default given.
setting() {
    if [ -n "${!1:-}" ]; then
        echo "${!1}"
    else
        "$python" -I -m dotenv --file .env get "$1" 2>/dev/null || echo "${2:-}"
    fi
}

# The code brings its model. An operator who names another one gets the very file he means or none.
pull_model() {
    local url wanted path partial
    url=$(setting MODEL_URL)
    [ -n "$url" ] || return 0
    wanted=$(setting MODEL_SHA256)
    [ -n "$wanted" ] || fail "MODEL_URL is set and MODEL_SHA256 is not; set it to the checksum that sha256sum gives for the model"
    path=$(setting MODEL_PATH models/digits.onnx)
    ! matches "$path" "$wanted" || return 0
    command -v curl >/dev/null || fail "fetching the model needs curl; install it: apt install curl"
    echo "Fetching the model from MODEL_URL."
    partial=$(mktemp "$path.XXXXXXXX")
    if ! curl --fail --silent --show-error --location --max-time 600 --output "$partial" "$url"; then
        rm "$partial"
        fail "the model could not be fetched from MODEL_URL; $path is as it was"
    fi
    if ! matches "$partial" "$wanted"; then
        rm "$partial"
        fail "the file at MODEL_URL does not have the checksum MODEL_SHA256 and was thrown away; $path is as it was"
    fi
    chmod 644 "$partial"
    mv "$partial" "$path"
}

matches() {
    sha256sum --check --status <<<"$2  $1" 2>/dev/null
}

# The next two take the command to run under, if any.
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
    echo "Bringing the database up to date."
    "$@" "$python" init_db.py
}

# The service knows .env and nothing of this shell's environment.
as_the_service() {
    runuser -u "$user" -- env -i PATH="$PATH" "$@"
}

# A part that differs is replaced whole, so that nothing of the version before stays in it; of the models each file is a
# part, since operators keep their own beside ours.
copy_code() {
    local part staging
    staging=$(mktemp -d "$root/.new.XXXXXXXX")
    mkdir -p "$root/models"
    for part in "${code[@]}" models/*; do
        [ "$part" != models ] || continue
        ! diff --recursive --brief --exclude=__pycache__ "$part" "$root/$part" >/dev/null 2>&1 || continue
        echo "Copying $part to $root."
        cp -R "$part" "$staging/part"
        rm -rf "${root:?}/$part"
        mv "$staging/part" "$root/$part"
    done
    rm -r "$staging"
}

# Links are never followed: whoever may write in this folder must not choose what root gives away.
set_owners() {
    local group part
    group=$(id -gn "$user")
    for part in "${code[@]}" .git .venv; do
        [ -e "$part" ] || continue
        chown -hR root:root "$part"
        find "$part" ! -type l -exec chmod u+rwX,go+rX,go-w {} +
    done
    chown -h "root:$group" .env
    [ -L .env ] || chmod 640 .env
    find . -maxdepth 1 -name 'pixelwise.db*' -exec chown -h "$user:$group" {} +
}

# Everything the running service depends on, in one word.
deployed() {
    {
        find "${code[@]}" -type f ! -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum
        # The .env of 0.5 names a model that need not exist any more.
        sha256sum .env "$units/pixelwise.service" "$(setting MODEL_PATH models/digits.onnx)" 2>/dev/null || true
        cat .venv/installed-*
    } | sha256sum
}

install_units() {
    local source target unit changed=""
    mkdir -p "$units"
    for source in deploy/*.service deploy/*.timer; do
        target=$units/${source#deploy/}
        unit=$(sed "s|/opt/pixelwise|$root|g; s|/etc/ssl/pixelwise|$certificates|g; s|produser|$user|g" "$source")
        [ "$unit" != "$(cat "$target" 2>/dev/null)" ] || continue
        echo "Installing $target."
        echo "$unit" >"$target"
        chmod 644 "$target"
        changed=yes
    done
    [ -z "$changed" ] || ! managed || systemctl daemon-reload
}

# Whether a systemd that reads this unit runs here.
managed() {
    [ "$units" = /etc/systemd/system ] && [ -d /run/systemd/system ]
}

running() {
    managed && systemctl is-active --quiet pixelwise
}

start_service() {
    local tries
    if [ "$units" != /etc/systemd/system ] || ! command -v systemctl >/dev/null; then
        echo "The unit is in $units, but nothing here reads it: start the service by hand."
        return
    fi
    if ! managed; then
        systemctl enable --quiet pixelwise
        echo "systemd is not running here: the service is enabled and starts with the next boot, but it was not started."
        return
    fi
    systemctl enable --quiet pixelwise
    systemctl restart pixelwise
    for ((tries = 0; tries < 30; tries++)); do
        if "$python" -I -c 'import urllib.request as r; r.urlopen("http://127.0.0.1:8000/health/ready", timeout=5)' 2>/dev/null; then
            echo "The service answers on port 8000."
            return
        fi
        sleep 1
    done
    fail "the service was started but is not ready; journalctl -u pixelwise says why"
}

start_timers() {
    local timer
    if [ "$units" != /etc/systemd/system ] || ! command -v systemctl >/dev/null; then
        return
    fi
    for timer in deploy/*.timer; do
        case $timer in
        # What deletes is turned on by whoever wants it.
        *-prune.timer) continue ;;
        *-backup.timer) [ "$(setting PIXELWISE_BACKUP)" != off ] || continue ;;
        esac
        systemctl enable --quiet "${timer#deploy/}"
        ! managed || systemctl start "${timer#deploy/}"
    done
}

put_nginx_in_front() {
    local nginx
    nginx=$(setting PIXELWISE_NGINX /etc/nginx)
    [ "$nginx" != off ] || return 0
    PIXELWISE_ROOT=$root PIXELWISE_NGINX=$nginx PIXELWISE_CERTIFICATE=$certificates scripts/nginx
}

main "$@"
