package main

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// gate carries messages between clients and the server, one command with its answer at a time.
//
// Beside what it does as a replica set, it knows two commands that tests want:
//   - gateConcerns: with which write concern and read concern this database was asked (notes.go);
//   - configureFailPoint: as a mongod's that was started for tests (failpoint.go).
type gate struct {
	socket string
	turn   sync.Mutex
	set    *replicaSet
	notes  notes
	fail   failPoint
}

var errGone = errors.New("the connection is gone")

func newGate(socket string, addresses []string, election time.Duration) *gate {
	return &gate{socket: socket, set: newReplicaSet(addresses, election)}
}

// run serves every member, and returns what keeps one from it.
func (g *gate) run() error {
	for _, each := range g.set.members {
		if err := g.start(each); err != nil {
			return err
		}
	}
	select {}
}

// start lets a member listen.
func (g *gate) start(at *member) error {
	listener, err := net.Listen("tcp", at.address)
	if err != nil {
		return err
	}
	g.set.up(at, listener)
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go g.serve(at, client)
		}
	}()
	return nil
}

func (g *gate) serve(at *member, client net.Conn) {
	defer client.Close()
	if !g.set.welcome(at, client) {
		return
	}
	defer g.set.farewell(at, client)
	server, err := net.Dial("unix", g.socket)
	if err != nil {
		return
	}
	defer server.Close()
	for {
		question, err := message(client)
		if err != nil {
			return
		}
		answer, err := g.answer(at, client, server, question)
		if err != nil {
			return
		}
		if _, err = client.Write(answer); err != nil {
			return
		}
	}
}

// answer finds out what to say; an error ends the connection.
func (g *gate) answer(at *member, client, server net.Conn, question []byte) ([]byte, error) {
	asked := parse(question)
	if asked == nil { // For the server to judge.
		g.turn.Lock()
		defer g.turn.Unlock()
		return exchange(server, question)
	}
	if answer, err := g.obey(at, asked); answer != nil || err != nil {
		return answer, err
	}
	ledWhenAsked := g.set.leads(at)

	g.turn.Lock()
	defer g.turn.Unlock()
	g.notes.take(asked)
	if !g.set.has(at, client) {
		return nil, errGone
	}
	if no := g.set.refusal(at, asked, ledWhenAsked); no != nil {
		return asked.reply(g.set.dated(no, asked)), nil
	}
	fault := g.fail.meets(asked.name())
	if fault.errorCode != 0 {
		return asked.reply(g.set.dated(failure(fault.errorCode, "failCommand"), asked)), nil
	}
	if fault.closes && !fault.afterwards {
		return nil, errGone
	}
	answer, err := exchange(server, question)
	if err != nil {
		return nil, err
	}
	if fault.closes || !g.set.has(at, client) {
		return nil, errGone
	}
	if fault.writeConcernError == nil && !g.set.isOne() {
		return answer, nil
	}
	told := answered(answer)
	if told == nil {
		return answer, nil
	}
	if isHello(asked.name()) {
		g.set.introduce(at, told)
	}
	if fault.writeConcernError != nil {
		told.Add("writeConcernError", fault.writeConcernError)
	} else if writes[asked.name()] && !g.set.leads(at) {
		told.Add("writeConcernError", failure(primarySteppedDown, "while waiting for a majority"))
	}
	return asked.reply(g.set.dated(told, asked)), nil
}

// obey carries out what is meant for the gate itself; nothing where it is not.
func (g *gate) obey(at *member, asked *command) ([]byte, error) {
	switch asked.name() {
	case "gateConcerns":
		return asked.reply(g.notes.tell(asked.database())), nil
	case "configureFailPoint":
		return asked.reply(g.fail.configure(asked.document)), nil
	case "replSetStepDown":
		if g.set.isOne() {
			return asked.reply(g.set.stepDown(at, time.Duration(asked.number("replSetStepDown"))*time.Second)), nil
		}
	case "shutdown":
		if g.set.isOne() {
			g.set.down(at)
			return nil, errGone
		}
	case "gateStart": // Of a member that is down, said to another.
		if each := g.set.named(asked.text("gateStart")); each != nil {
			if err := g.start(each); err != nil {
				return asked.reply(failure(1, err.Error())), nil
			}
			return asked.reply(fine()), nil
		}
	}
	return nil, nil
}

func exchange(server net.Conn, question []byte) ([]byte, error) {
	if _, err := server.Write(question); err != nil {
		return nil, err
	}
	return message(server)
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
