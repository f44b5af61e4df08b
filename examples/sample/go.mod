module code.vikunja.io/api

go 1.19

require (
	github.com/go-sql-driver/mysql v1.7.1
	github.com/gorilla/websocket v1.5.0
	github.com/lib/pq v1.10.9
	github.com/mattn/go-sqlite3 v1.14.17
	golang.org/x/crypto v0.9.0
	golang.org/x/term v0.8.0
)

require golang.org/x/sys v0.8.0 // indirect
