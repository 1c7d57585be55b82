// Command probe echoes what it is sent over TCP and UDP, or asks such an echo; busybox cannot do UDP.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

const usage = "usage: probe echo ADDRESS | probe ask tcp|udp ADDRESS TEXT"

func main() {
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == "echo":
		err = echo(os.Args[2])
	case len(os.Args) == 5 && os.Args[1] == "ask":
		err = ask(os.Args[2], os.Args[3], os.Args[4])
	default:
		err = errors.New(usage)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func echo(address string) error {
	packets, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Println("listening at", address)
	go func() {
		buffer := make([]byte, 65536)
		for {
			if n, from, err := packets.ReadFrom(buffer); err == nil {
				packets.WriteTo(buffer[:n], from)
			}
		}
	}()
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer connection.Close()
			io.Copy(connection, connection)
		}()
	}
}

func ask(network, address, text string) error {
	connection, err := net.DialTimeout(network, address, 3*time.Second)
	if err != nil {
		return err
	}
	defer connection.Close()
	connection.SetDeadline(time.Now().Add(3 * time.Second))
	if _, err := connection.Write([]byte(text)); err != nil {
		return err
	}
	answer := make([]byte, len(text))
	if _, err := io.ReadFull(connection, answer); err != nil {
		return err
	}
	fmt.Println(string(answer))
	return nil
}
