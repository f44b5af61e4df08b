# What database_host.sh has made, with TLS: PostgreSQL and MariaDB show the certificate that comes on
# stdin with its key and its authority, as a tar stream (server.pem, server.key, ca.pem). PostgreSQL
# wants TLS of everybody, and of user `shown` a certificate. Run again, another one is taken up.
set -eu
folder=/etc/lab-tls
rm -rf "$folder"
mkdir "$folder"
tar -C "$folder" --no-same-owner -xf -
chmod 0755 "$folder"
chmod 0644 "$folder"/*.pem
install -o postgres -g postgres -m 0600 "$folder/server.key" "$folder/postgresql.key"
install -o mysql -g mysql -m 0600 "$folder/server.key" "$folder/mysql.key"
cluster=$(pg_lsclusters -h | awk '{ print $1; exit }')
cat >"/etc/postgresql/$cluster/main/conf.d/tls.conf" <<'CONF'
ssl = on
ssl_cert_file = '/etc/lab-tls/server.pem'
ssl_key_file = '/etc/lab-tls/postgresql.key'
ssl_ca_file = '/etc/lab-tls/ca.pem'
CONF
hba=/etc/postgresql/$cluster/main/pg_hba.conf
sed -i '/ 10\.0\.0\.0\/8 /d' "$hba"
printf 'hostssl all shown 10.0.0.0/8 scram-sha-256 clientcert=verify-ca\n' >>"$hba"
printf 'hostssl all all 10.0.0.0/8 scram-sha-256\n' >>"$hba"
cat >/etc/mysql/mariadb.conf.d/99-tls.cnf <<'CONF'
[mysqld]
ssl_cert = /etc/lab-tls/server.pem
ssl_key = /etc/lab-tls/mysql.key
ssl_ca = /etc/lab-tls/ca.pem
CONF
systemctl restart "postgresql@$cluster-main.service" mariadb
