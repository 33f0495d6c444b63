// A server that speaks MongoDB's wire protocol over a PostgreSQL of its own, for tests: FerretDB,
// embedded, behind a gate.
//
//	ferretdb ADDRESS DIRECTORY                                   a standalone server
//	ferretdb [-election TIME] ADDRESS,ADDRESS,ADDRESS DIRECTORY  a replica set, "hufu"
//
// FerretDB 1 finds a document and modifies it in two steps, so that of two clients who ask for the
// same conditional step both may be told that they made it. MongoDB does it in one. What listens on
// ADDRESS is therefore a gate that lets one command through at a time (gate.go).
//
// The members of a replica set play their roles only: whoever is asked, it is the one database that
// answers. So nothing is ever rolled back, and no member lags behind (replicaset.go).
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"os"
	"strings"
	"time"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	election := flag.Duration("election", time.Second, "how long a replica set is without a primary")
	flag.Parse()
	if flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	addresses, directory := strings.Split(flag.Arg(0), ","), flag.Arg(1)
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
	awaitSocket(socket)
	log.Fatal(newGate(socket, addresses, *election).run())
}

// awaitSocket returns when the server listens: whoever is let in before finds the door shut.
func awaitSocket(path string) {
	for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(10 * time.Millisecond) {
		if connection, err := net.Dial("unix", path); err == nil {
			connection.Close()
			return
		}
	}
	log.Fatal("FerretDB did not begin to listen")
}
