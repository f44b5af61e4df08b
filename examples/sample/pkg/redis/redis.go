// Package redis asks a redis server whether it is there.
package redis

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"code.vikunja.io/api/pkg/config"
)

const timeout = 3 * time.Second

// Ping connects, authenticates, selects the database and sends PING.
func Ping(c config.Config) error {
	network := "tcp"
	if strings.HasPrefix(c.RedisHost, "/") {
		network = "unix"
	}
	connection, err := net.DialTimeout(network, c.RedisHost, timeout)
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	reader := bufio.NewReader(connection)
	commands := [][]string{{"PING"}}
	if c.RedisDatabase != 0 {
		commands = append([][]string{{"SELECT", strconv.Itoa(c.RedisDatabase)}}, commands...)
	}
	if c.RedisPassword != "" {
		commands = append([][]string{{"AUTH", c.RedisPassword}}, commands...)
	}
	for _, command := range commands {
		if err := send(connection, reader, command); err != nil {
			return fmt.Errorf("redis: %s: %w", command[0], err)
		}
	}
	return nil
}

func send(connection net.Conn, reader *bufio.Reader, command []string) error {
	var request strings.Builder
	fmt.Fprintf(&request, "*%d\r\n", len(command))
	for _, word := range command {
		fmt.Fprintf(&request, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := connection.Write([]byte(request.String())); err != nil {
		return err
	}
	answer, err := reader.ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(answer, "+") {
		return fmt.Errorf("%s", strings.TrimSpace(answer))
	}
	return nil
}
