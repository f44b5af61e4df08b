# Attachments in a bucket, by rclone: their copy for a backup, and back from it. With the settings that
# serve, and as the application's user. Secrets are in the environment of that process alone.

bucket_is_used() {
	grep -q '^VIKUNJA_FILES_TYPE="s3"$' /etc/vikunja/environment 2>/dev/null
}

_rclone() (
	# ACTION FROM TO OPTION…, where `bucket:` is the place of the attachments.
	[ -x /usr/bin/rclone ] || {
		echo "The container has no rclone, which copies attachments from and to a bucket: set backup.s3: copy, and ./doit apply." >&2
		exit 1
	}
	# shellcheck source=/dev/null
	. /etc/vikunja/environment
	color=$(readlink -f /etc/vikunja/environment)
	IFS= read -r secret <"/etc/vikunja/secrets/${color##*.}/VIKUNJA_FILES_S3_SECRETKEY" || [ -n "$secret" ] || exit 1
	export RCLONE_CONFIG_STORE_TYPE=s3 RCLONE_CONFIG_STORE_PROVIDER=Other
	export RCLONE_CONFIG_STORE_ENDPOINT="$VIKUNJA_FILES_S3_ENDPOINT"
	export RCLONE_CONFIG_STORE_REGION="$VIKUNJA_FILES_S3_REGION"
	export RCLONE_CONFIG_STORE_FORCE_PATH_STYLE="$VIKUNJA_FILES_S3_USEPATHSTYLE"
	export RCLONE_CONFIG_STORE_ACCESS_KEY_ID="$VIKUNJA_FILES_S3_ACCESSKEY"
	export RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY="$secret"
	export RCLONE_CONFIG_STORE_NO_CHECK_BUCKET=true
	export RCLONE_CONFIG_BUCKET_TYPE=alias
	export RCLONE_CONFIG_BUCKET_REMOTE="store:$VIKUNJA_FILES_S3_BUCKET/$VIKUNJA_FILES_BASEPATH"
	umask 077
	# What the application tries its storage with at each start is none of them.
	exec setpriv --reuid=vikunja --regid=vikunja --clear-groups /usr/bin/rclone \
		--config='' --cache-dir=/tmp --retries=2 --low-level-retries=5 --contimeout=20s \
		--checksum --exclude='.vikunja-check-*' --stats=0 "$@"
)

bucket_copied() {
	# FOLDER: holds what is in the bucket, and nothing else.
	install -d -o vikunja -g vikunja -m 0750 "$1" && _rclone sync bucket: "$1"
}

bucket_filled() {
	# FOLDER [OPTION]: what it holds is in the bucket, too.
	[ -n "$(find "$1" -type f -print -quit)" ] || return 0
	_rclone copy "$@" bucket:
}
