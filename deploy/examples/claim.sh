#!/bin/sh
# Claims an instance, asks it something, gives it back. Needs curl 7.71 or later.
#
#     THAW_URL=http://127.0.0.1:7070 THAW_KEY=… sh claim.sh POOL TENANT
#
# curl tries again after 408, 429, 500, 502, 503 and 504, when Retry-After says so, and when no answer comes. The Idempotency-Key makes that
# safe: the same key with the same body is the same claim.
set -eu

pool=${1:?usage: claim.sh POOL TENANT}
tenant=${2:?usage: claim.sh POOL TENANT}
url=${THAW_URL:-http://127.0.0.1:7070}
order=$(cat /proc/sys/kernel/random/uuid) # better: the number of your order, kept

# Prints what was answered; a refusal goes to stderr. The key goes by stdin: every user of a machine can read arguments. Without --fail,
# or --retry-all-errors would try again what is refused for good.
thaw() {
    answer=$(printf 'header = "Authorization: Bearer %s"\n' "${THAW_KEY:?}" |
        curl --config - --silent --show-error --max-time 40 --retry 5 --retry-all-errors --retry-max-time 60 \
            --header 'Content-Type: application/json' --write-out '\n%{http_code}' "$@")
    case $answer in
    *"
2"[0-9][0-9]) printf '%s\n' "${answer%???}" ;;
    *) printf '%s\n' "$answer" >&2 && return 1 ;;
    esac
}

# The first field of that name; a real program reads JSON as JSON, e.g. with jq.
field() {
    grep -o "\"$1\":[^,}]*" | head -n 1 | cut -d : -f 2- | tr -d '"'
}

claim=$(thaw --header "Idempotency-Key: $order" --data "{\"tenant\":\"$tenant\",\"waitMs\":10000}" "$url/v1/pools/$pool/claims")
id=$(printf %s "$claim" | grep -o '"id":"clm-[^"]*"' | field id)
trap 'thaw --request DELETE "$url/v1/claims/$id" | field state' EXIT

endpoint=$(printf %s "$claim" | grep -o '"endpoints":\[{[^}]*}')
host=$(printf %s "$endpoint" | field host)
port=$(printf %s "$endpoint" | field port)
printf '%s answers %s\n' "$id" "$(curl --silent --output /dev/null --write-out '%{http_code}' --max-time 10 "http://$host:$port/")"
