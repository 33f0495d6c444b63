package main

import (
	"slices"
	"sync"

	"github.com/FerretDB/wire/wirebson"
)

// failPoint is MongoDB's failCommand, as far as tests use it:
//
//	{configureFailPoint: "failCommand", mode: {times: N} or "alwaysOn" or "off",
//	 data: {failCommands: [NAME…], errorCode: N | closeConnection: true | writeConcernError: {…}}}
//
// With closeConnection a mongod has not done what was asked. What it lacks: with `gateAfterwards`
// beside it, it has, and the answer is lost.
type failPoint struct {
	mutex    sync.Mutex
	times    int64
	commands []string
	fault    fault
}

type fault struct {
	errorCode          int32
	closes, afterwards bool
	writeConcernError  *wirebson.Document
}

func (f *failPoint) configure(document *wirebson.Document) *wirebson.Document {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.times, f.commands, f.fault = 0, nil, fault{}
	if document.Get("mode") == "off" {
		return fine()
	}
	if mode := inner(document, "mode"); mode != nil {
		f.times = number(mode.Get("times"))
	} else {
		f.times = 1 << 60
	}
	data := inner(document, "data")
	if document.Get("configureFailPoint") != "failCommand" || data == nil {
		return failure(2, "only failCommand, with data")
	}
	if raw, is := data.Get("failCommands").(wirebson.AnyArray); is {
		if names, err := raw.Decode(); err == nil {
			for name := range names.Values() {
				text, _ := name.(string)
				f.commands = append(f.commands, text)
			}
		}
	}
	f.fault.errorCode = int32(number(data.Get("errorCode")))
	f.fault.closes, _ = data.Get("closeConnection").(bool)
	f.fault.afterwards, _ = data.Get("gateAfterwards").(bool)
	f.fault.writeConcernError = inner(data, "writeConcernError")
	return fine()
}

// meets is what happens to the next command of that name.
func (f *failPoint) meets(name string) fault {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.times == 0 || !slices.Contains(f.commands, name) {
		return fault{}
	}
	f.times--
	return f.fault
}
