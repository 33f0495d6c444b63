package main

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"

	"github.com/FerretDB/wire"
	"github.com/FerretDB/wire/wirebson"
)

// command is what a client asks, in either form of the protocol that is in use: the older one is how
// drivers say hello.
type command struct {
	header   *wire.MsgHeader
	document *wirebson.Document
	legacyDB string // Of the older form only.
}

// parse returns nothing for what is no command.
func parse(question []byte) *command {
	header, body, err := wire.ReadMessage(bufio.NewReader(bytes.NewReader(question)))
	if err != nil {
		return nil
	}
	switch body := body.(type) {
	case *wire.OpMsg:
		if document, err := body.RawSection0().Decode(); err == nil {
			return &command{header, document, ""}
		}
	case *wire.OpQuery:
		database, isCommand := strings.CutSuffix(body.FullCollectionName, ".$cmd")
		if document := body.Query(); isCommand && document != nil {
			return &command{header, document, database}
		}
	}
	return nil
}

// answered reads an answer.
func answered(answer []byte) *wirebson.Document {
	_, body, err := wire.ReadMessage(bufio.NewReader(bytes.NewReader(answer)))
	if err != nil {
		return nil
	}
	var document *wirebson.Document
	switch body := body.(type) {
	case *wire.OpMsg:
		document, err = body.RawSection0().Decode()
	case *wire.OpReply:
		document, err = body.Document()
	}
	if err != nil {
		return nil
	}
	return document
}

// reply packs an answer as the question was packed.
func (c *command) reply(document *wirebson.Document) []byte {
	var body wire.MsgBody
	var err error
	header := wire.MsgHeader{ResponseTo: c.header.RequestID, OpCode: wire.OpCodeMsg}
	if c.header.OpCode == wire.OpCodeQuery {
		header.OpCode = wire.OpCodeReply
		body, err = wire.NewOpReply(document)
	} else {
		body, err = wire.NewOpMsg(document)
	}
	if err != nil {
		panic(err)
	}
	packed, err := body.MarshalBinary()
	if err != nil {
		panic(err)
	}
	header.MessageLength = int32(wire.MsgHeaderLen + len(packed))
	head, err := header.MarshalBinary()
	if err != nil {
		panic(err)
	}
	return append(head, packed...)
}

func (c *command) name() string { return c.document.Command() }

func (c *command) database() string {
	if c.header.OpCode == wire.OpCodeQuery {
		return c.legacyDB
	}
	return c.text("$db")
}

func (c *command) text(name string) string {
	text, _ := c.document.Get(name).(string)
	return text
}

func (c *command) number(name string) int64 { return number(c.document.Get(name)) }

// inner is an embedded document, as it is; nothing where there is none.
func (c *command) inner(name string) *wirebson.Document { return inner(c.document, name) }

func inner(document *wirebson.Document, name string) *wirebson.Document {
	raw, is := document.Get(name).(wirebson.AnyDocument)
	if !is {
		return nil
	}
	decoded, err := raw.Decode()
	if err != nil {
		return nil
	}
	return decoded
}

func number(value any) int64 {
	switch value := value.(type) {
	case int32:
		return int64(value)
	case int64:
		return value
	case float64:
		return int64(value)
	}
	return 0
}

// ---- answers

func fine() *wirebson.Document { return wirebson.MustDocument("ok", float64(1)) }

// Codes of MongoDB's.
const (
	notWritablePrimary       = 10107
	interruptedByStateChange = 11602
	notPrimaryNoSecondaryOk  = 13435
	primarySteppedDown       = 189
)

var codeNames = map[int32]string{
	64: "WriteConcernFailed", 72: "InvalidOptions", 91: "ShutdownInProgress",
	primarySteppedDown: "PrimarySteppedDown", notWritablePrimary: "NotWritablePrimary",
	11600: "InterruptedAtShutdown", interruptedByStateChange: "InterruptedDueToReplStateChange",
	notPrimaryNoSecondaryOk: "NotPrimaryNoSecondaryOk", 13436: "NotPrimaryOrSecondary",
}

func failure(code int32, why string) *wirebson.Document {
	name := codeNames[code]
	if name == "" {
		name = fmt.Sprintf("Location%d", code)
	}
	return wirebson.MustDocument("ok", float64(0), "errmsg", name+": "+why, "code", code, "codeName", name)
}

// ---- what commands there are

var writes = map[string]bool{
	"insert": true, "update": true, "delete": true, "findAndModify": true, "findandmodify": true,
	"create": true, "createIndexes": true, "drop": true, "dropDatabase": true, "dropIndexes": true,
	"renameCollection": true, "collMod": true,
}

var reads = map[string]bool{
	"find": true, "getMore": true, "aggregate": true, "count": true, "distinct": true,
	"listIndexes": true, "listCollections": true, "listDatabases": true,
}

func isHello(name string) bool { return name == "hello" || name == "isMaster" || name == "ismaster" }
