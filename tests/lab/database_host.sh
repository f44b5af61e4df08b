# A database host for the lab: PostgreSQL and MariaDB that answer on the lab's network.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q -y --no-install-recommends install postgresql mariadb-server
cluster=$(pg_lsclusters -h | awk '{ print $1; exit }')
printf "listen_addresses = '*'\n" >"/etc/postgresql/$cluster/main/conf.d/lab.conf"
printf 'host all all 10.0.0.0/8 scram-sha-256\n' >>"/etc/postgresql/$cluster/main/pg_hba.conf"
printf '[mysqld]\nbind-address = 0.0.0.0\nskip-name-resolve\n' >/etc/mysql/mariadb.conf.d/99-lab.cnf
# The cluster's own unit: that of the package is done before its clusters are.
systemctl restart "postgresql@$cluster-main.service" mariadb
cat >/tmp/admin.sql <<'SQL'
create role admin login superuser password 'lab-admin-password';
SQL
runuser -u postgres -- psql -q -f /tmp/admin.sql
mariadb <<'SQL'
create user 'admin'@'%' identified by 'lab-admin-password';
grant all on *.* to 'admin'@'%' with grant option;
SQL
