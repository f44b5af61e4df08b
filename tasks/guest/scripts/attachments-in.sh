# What attachments-out.sh sends elsewhere comes in, as the application's. Behind attachments-folder.sh.
folder=$(attachments_folder) && install -d -o vikunja -g vikunja -m 0750 "$folder" && cd "$folder" &&
	tar --extract --file=- --blocking-factor=256 --no-same-owner &&
	chown -R vikunja:vikunja . && sync -f .
