# A tar stream of attachments, whose names come ended by NUL on stdin. Behind attachments-folder.sh.
cd "$(attachments_folder)" &&
	exec tar --create --file=- --format=gnu --blocking-factor=256 --hard-dereference \
		--no-recursion --null --verbatim-files-from --files-from=-
