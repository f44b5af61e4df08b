# Whether a secret that was made here is the one that was noted when it was. Arguments: PATH.
# land.sh has noted a digest under a key that is only here: neither says anything of the value.

probe_noted_secret() {
	home=/var/lib/vikunja-deploy
	noted=
	[ ! -r "$home/noted$1" ] || read -r noted <"$home/noted$1"
	found=$(cat "$home/noted.key" "$1" "$home/noted.key" 2>/dev/null | sha256sum)
	if [ -z "$noted" ]; then
		echo unnoted
	elif [ "${found%% *}" = "$noted" ]; then
		echo same
	else
		echo differs
	fi
}
