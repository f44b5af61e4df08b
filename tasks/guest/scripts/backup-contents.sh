# What a backup needs done in the container, POSIX sh. Arguments: ACTION [PATH…].
set -eu
umask 077

case $1 in
size)
	# FOLDER: bytes of all files in it, none where it is gone.
	{ [ ! -e "$2" ] || find "$2" -type f -printf '%s\n'; } | awk '{ sum += $1 } END { printf "%.0f\n", sum }'
	;;
begin)
	# STAGING NAME: a folder for this backup's dump; what killed ones left goes.
	mkdir -p "$2"
	rm -rf "$2"/backup-*
	mkdir "$2/$3"
	;;
end)
	# STAGING. A dump that was cancelled as it began may still be at work, and is waited for.
	mkdir -p /run/vikunja-deploy
	exec 9>/run/vikunja-deploy/apply.lock
	flock -w 60 9 || :
	rm -rf "$2"/backup-*
	;;
configuration)
	# FOLDER: what is there of it, as a tar stream: the settings that the link names, and the secrets
	# that are configured, without the copies that the colors have of them.
	cd "$2"
	set --
	for name in deployment-config.yaml environment secrets/*; do
		if [ -f "$name" ]; then set -- "$@" "$name"; fi
	done
	exec tar --create --file=- --format=gnu --dereference -- "$@"
	;;
esac
