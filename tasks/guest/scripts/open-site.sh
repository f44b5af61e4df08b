# Everybody is let in again.
active=/etc/vikunja/active
rm -f "$active/maintenance" && sync "$active"
