# Attachments of another installation, in the bucket that is used here, too. Behind bucket.sh.

bucket_brought() {
	# PREFIX FOLDER: FOLDER, beside the copy of the own ones, holds what is below PREFIX in the bucket,
	# and nothing else; what of it is not in the own place is there, too, which takes longest.
	bucket=$(sed -n 's/^VIKUNJA_FILES_S3_BUCKET="\(.*\)"$/\1/p' /etc/vikunja/environment)
	install -d -o vikunja -g vikunja -m 0750 "$2" && _rclone sync "store:$bucket/$1" "$2" &&
		bucket_filled "$2" --ignore-existing
}
