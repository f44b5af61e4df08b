# Name and size of every attachment, each `SIZE NAME` ended by NUL. Behind attachments-folder.sh.
cd "$(attachments_folder)" && find . -type f -printf '%s %P\0'
