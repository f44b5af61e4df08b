# How many WebSockets ended with a color. Behind health.sh, in-hand.sh and proxy-log.sh.

tell_ended() { # COLOR, which was stopped. stdout: `COLOR N`, N since mark_log; nothing where there is none
	# The proxy logs one when it ends, and writes its log ten times a second.
	tries=0
	while [ "$tries" -lt 20 ] && in_hand websockets "$1"; do
		sleep 0.1
		tries=$((tries + 1))
	done
	sleep 0.3
	since_mark | awk -F '"' -v color="$1" '
		{ split($3, status, " "); split($NF, tail, " ") }
		status[1] == 101 && tail[2] == color { ended++ }
		END { if (ended) print color, ended }'
}
