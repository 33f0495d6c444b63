// A server that speaks MongoDB's wire protocol over a PostgreSQL of its own, for tests: FerretDB,
// embedded.
//
//	ferretdb ADDRESS DIRECTORY
//
// FerretDB 1 finds a document and modifies it in two steps, so that of two clients who ask for the
// same conditional step both may be told that they made it. MongoDB does it in one. What listens on
// ADDRESS is therefore a gate that lets one command through at a time.
package main

import (
	"context"
	"encoding/binary"
	"io"
	"log"
	"net"
	"os"
	"sync"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	address, directory := os.Args[1], os.Args[2]
	database := startPostgreSQL(directory + "/postgresql")
	socket := directory + "/ferretdb.sock"
	os.Remove(socket) // Of one that was killed.
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:      ferretdb.ListenerConfig{Unix: socket},
		Handler:       "postgresql",
		PostgreSQLURL: database,
	})
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Fatal(server.Run(context.Background())) }()

	gate, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	var turn sync.Mutex
	for {
		client, err := gate.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(client, socket, &turn)
	}
}

// serve carries messages between a client and the server, each with its answer in one turn.
func serve(client net.Conn, socket string, turn *sync.Mutex) {
	defer client.Close()
	server, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer server.Close()
	for {
		question, err := message(client)
		if err != nil {
			return
		}
		turn.Lock()
		_, err = server.Write(question)
		var answer []byte
		if err == nil {
			answer, err = message(server)
		}
		turn.Unlock()
		if err != nil {
			return
		}
		if _, err = client.Write(answer); err != nil {
			return
		}
	}
}

// message reads one whole message, which begins with its length.
func message(from io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(from, length[:]); err != nil {
		return nil, err
	}
	whole := make([]byte, max(binary.LittleEndian.Uint32(length[:]), 4))
	copy(whole, length[:])
	_, err := io.ReadFull(from, whole[4:])
	return whole, err
}
