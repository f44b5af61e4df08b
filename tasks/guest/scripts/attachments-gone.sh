# Attachments whose names come ended by NUL on stdin go. Behind attachments-folder.sh.
cd "$(attachments_folder)" && xargs -0 -r rm -f --
