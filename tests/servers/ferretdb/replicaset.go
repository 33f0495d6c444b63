package main

import (
	"encoding/binary"
	"net"
	"sync"
	"time"

	"github.com/FerretDB/wire/wirebson"
)

const setName = "hufu"

// replicaSet knows who plays the primary. It changes as it does with MongoDB:
//   - replSetStepDown, said to the primary: what it has begun fails in the midst of it, what comes
//     then is refused, and after a while another is elected;
//   - shutdown, said to any: its connections are reset and new ones refused, as if it had died;
//     gateStart, said to another with the address of the dead one, is the end of that.
//
// With one address it stands for a standalone server.
type replicaSet struct {
	members  []*member
	election time.Duration // From the end of one primary to the next.

	mutex   sync.Mutex // Guards all below, and what is said to be guarded of a member.
	primary *member    // Nobody for a while, now and then.
	latest  int        // Which of the members it was last.
	term    int64      // Of the latest election.
	clock   wirebson.Timestamp
	written wirebson.Timestamp // When something was written last.
}

// member is one address; all but that is guarded by the set's mutex.
type member struct {
	address  string
	listener net.Listener // Nothing while it is down.
	clients  map[net.Conn]bool
	barred   time.Time // Until then it is not elected.
}

func newReplicaSet(addresses []string, election time.Duration) *replicaSet {
	// Terms go on where they were in the life before this one.
	s := &replicaSet{election: election, term: time.Now().Unix()}
	for _, address := range addresses {
		s.members = append(s.members, &member{address: address})
	}
	s.primary = s.members[0]
	return s
}

// isOne tells a replica set from a standalone server.
func (s *replicaSet) isOne() bool { return len(s.members) > 1 }

func (s *replicaSet) named(address string) *member {
	for _, each := range s.members {
		if each.address == address {
			return each
		}
	}
	return nil
}

// ---- who is up

func (s *replicaSet) up(at *member, listener net.Listener) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	at.listener, at.clients = listener, map[net.Conn]bool{}
}

func (s *replicaSet) down(at *member) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if at.listener == nil {
		return
	}
	at.listener.Close()
	for client := range at.clients {
		client.(*net.TCPConn).SetLinger(0) // The other end is told of a reset.
		client.Close()
	}
	at.listener, at.clients = nil, nil
	if s.primary == at {
		s.abdicate()
	}
}

func (s *replicaSet) welcome(at *member, client net.Conn) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if at.clients != nil {
		at.clients[client] = true
	}
	return at.clients != nil
}

func (s *replicaSet) farewell(at *member, client net.Conn) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	delete(at.clients, client)
}

// has is false for a connection that a member had before it went down.
func (s *replicaSet) has(at *member, client net.Conn) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return at.clients[client]
}

// ---- who leads

func (s *replicaSet) leads(at *member) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.primary == at
}

func (s *replicaSet) stepDown(at *member, barred time.Duration) *wirebson.Document {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.primary != at {
		return failure(notWritablePrimary, "only a primary can step down")
	}
	at.barred = time.Now().Add(barred)
	s.abdicate()
	return fine()
}

// abdicate leaves the set without a primary until another is elected.
func (s *replicaSet) abdicate() {
	s.primary = nil
	time.AfterFunc(s.election, s.elect)
}

func (s *replicaSet) elect() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for i := range s.members {
		place := (s.latest + 1 + i) % len(s.members)
		each := s.members[place]
		if each.listener != nil && time.Now().After(each.barred) && s.hasMajority() {
			s.primary, s.latest = each, place
			s.term++
			return
		}
	}
	time.AfterFunc(s.election, s.elect)
}

func (s *replicaSet) hasMajority() bool {
	up := 0
	for _, each := range s.members {
		if each.listener != nil {
			up++
		}
	}
	return 2*up > len(s.members)
}

// ---- what is said

// refusal is the answer of a member that may not do what is asked; nothing where it may.
func (s *replicaSet) refusal(at *member, asked *command, ledWhenAsked bool) *wirebson.Document {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	isWrite, isRead := writes[asked.name()], reads[asked.name()]
	if !s.isOne() || !isWrite && !isRead {
		return nil
	}
	if after := readAfter(asked); after > s.clock {
		return failure(72, "readConcern afterClusterTime must not be greater than the current clusterTime")
	}
	switch {
	case s.primary == at:
		return nil
	case ledWhenAsked:
		return failure(interruptedByStateChange, "operation was interrupted")
	case isWrite:
		return failure(notWritablePrimary, "not primary")
	}
	if preference := asked.inner("$readPreference"); preference != nil {
		if mode, _ := preference.Get("mode").(string); mode != "" && mode != "primary" {
			return nil
		}
	}
	return failure(notPrimaryNoSecondaryOk, "not primary and secondaryOk=false")
}

// introduce makes a member's hello of a standalone server's. There is no topologyVersion in it, so
// drivers ask again instead of waiting for news.
func (s *replicaSet) introduce(at *member, hello *wirebson.Document) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	leads := s.primary == at
	for _, name := range []string{"isWritablePrimary", "ismaster"} {
		hello.Replace(name, leads)
	}
	hosts := wirebson.MakeArray(len(s.members))
	for _, each := range s.members {
		hosts.Add(each.address)
	}
	hello.Add("secondary", !leads)
	hello.Add("setName", setName)
	hello.Add("setVersion", int32(1))
	hello.Add("hosts", hosts)
	hello.Add("me", at.address)
	if s.primary != nil {
		hello.Add("primary", s.primary.address)
	}
	if leads {
		election := wirebson.ObjectID{0: 0x7f, 1: 0xff, 2: 0xff, 3: 0xff}
		binary.BigEndian.PutUint64(election[4:], uint64(s.term))
		hello.Add("electionId", election)
	}
}

// dated adds the operationTime to an answer: of a read of what a majority has, the moment up to
// which that is; of anything else, the present. Every ten seconds MongoDB writes something.
func (s *replicaSet) dated(answer *wirebson.Document, asked *command) *wirebson.Document {
	if !s.isOne() {
		return answer
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	now := wirebson.Timestamp(time.Now().Unix()) << 32
	s.clock = max(s.clock, now) + 1
	if writes[asked.name()] {
		s.written = s.clock
	}
	s.written = max(s.written, wirebson.Timestamp(time.Now().Unix()/10*10)<<32)
	answer.Add("operationTime", s.written)
	return answer
}

// readAfter is what a read wants to see at least.
func readAfter(asked *command) wirebson.Timestamp {
	if concern := asked.inner("readConcern"); concern != nil {
		after, _ := concern.Get("afterClusterTime").(wirebson.Timestamp)
		return after
	}
	return 0
}
