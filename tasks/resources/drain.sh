# Waits until a colour has no request in hand, as the proxy counts them. arguments: COLOR SECONDS
# UPLOAD_SECONDS UNIT (nothing waits for one that does not run). Says what is left on stdout.
color=$1 seconds=$2 uploads=$3 unit=$4
in_hand() { # requests or uploads
  answer=$(curl --silent --output /dev/null --max-time 5 --noproxy '*' --write-out '%{http_code}' \
    --unix-socket /run/nginx/in-hand.sock "http://localhost/$1/$color")
  case $answer in
    204) return 1 ;;
    503) return 0 ;;
    # The proxy does not run: nothing is in anybody's hand.
    *) systemctl -q is-active nginx.service ;;
  esac
}
[ ! -e /var/lib/vikunja-deploy/switching ] || {
  echo 'the switch is not confirmed yet' >&2
  exit 1
}
systemctl -q is-active -- "$unit" || exit 0
_health_now
begun=$_health_up
idle=0
# A request that chose its colour just before the switch may be counted just after it: look twice.
while [ "$idle" -lt 2 ]; do
  sleep 0.2
  if ! in_hand requests; then
    idle=$((idle + 1))
    continue
  fi
  idle=0
  _health_now
  [ "$((_health_up - begun))" -ge "$((seconds * 100))" ] || continue
  if [ "$((_health_up - begun))" -ge "$((uploads * 100))" ] || ! in_hand uploads; then
    echo 'requests were still in hand'
    exit 0
  fi
done
