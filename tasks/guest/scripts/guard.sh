# Put in front of every script that changes something: what a killed run left behind in the
# container is waited for, so that two never change it at once.
mkdir -p /run/vikunja-deploy && exec 9>/run/vikunja-deploy/apply.lock && flock -w 900 9 || exit 75
