package main

import (
	"sync"

	"github.com/FerretDB/wire/wirebson"
)

// notes remembers how databases were asked: gateConcerns, said to a database, tells of each command
// and collection with which write concern and read concern it came, and how often.
type notes struct {
	mutex sync.Mutex
	kinds map[kind]*tally
}

type kind struct {
	database, command, collection string
	write, read                   string // As they are; empty where there is none.
}

type tally struct {
	count int64
	after int64 // Of those that were to see what had been written up to a moment (afterClusterTime).
}

func (n *notes) take(asked *command) {
	collection := asked.text(asked.name())
	if collection == "" {
		return // Of no collection: hello and the like.
	}
	noted := kind{database: asked.database(), command: asked.name(), collection: collection}
	noted.write = encoded(asked.inner("writeConcern"))
	after := readAfter(asked) > 0
	if read := asked.inner("readConcern"); read != nil {
		read.Remove("afterClusterTime") // Is another one each time.
		noted.read = encoded(read)
	}
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if n.kinds == nil {
		n.kinds = map[kind]*tally{}
	}
	if n.kinds[noted] == nil {
		n.kinds[noted] = &tally{}
	}
	n.kinds[noted].count++
	if after {
		n.kinds[noted].after++
	}
}

func (n *notes) tell(database string) *wirebson.Document {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	told := wirebson.MakeArray(0)
	for each, tally := range n.kinds {
		if each.database != database {
			continue
		}
		one := wirebson.MustDocument("command", each.command, "collection", each.collection,
			"count", tally.count, "after", tally.after)
		if each.write != "" {
			one.Add("writeConcern", wirebson.RawDocument(each.write))
		}
		if each.read != "" {
			one.Add("readConcern", wirebson.RawDocument(each.read))
		}
		told.Add(one)
	}
	return wirebson.MustDocument("commands", told, "ok", float64(1))
}

func encoded(document *wirebson.Document) string {
	if document == nil {
		return ""
	}
	raw, _ := document.Encode() // What was read can be written.
	return string(raw)
}
