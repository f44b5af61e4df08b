// A task list with the shape of Vikunja's repository and the manners of Vikunja's server.
package main

import (
	"os"

	"code.vikunja.io/api/pkg/cmd"
)

func main() {
	os.Exit(cmd.Execute(os.Args[1:]))
}
