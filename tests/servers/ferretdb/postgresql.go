package main

import (
	"log"
	"math/rand"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// startPostgreSQL makes a database cluster where there is none, and runs a server on it that ends
// with this process, however that ends. It returns the server's URL once it can be used.
func startPostgreSQL(directory string) string {
	attributes := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	data := filepath.Join(directory, "data")
	if err := os.MkdirAll(directory, 0o755); err != nil {
		log.Fatal(err)
	}
	if os.Getuid() == 0 { // PostgreSQL refuses to run as root.
		attributes.Credential = other("postgres")
		for path := directory; path != "/" && path != os.TempDir(); path = filepath.Dir(path) {
			open(path)
		}
		if err := os.Chown(directory, int(attributes.Credential.Uid), int(attributes.Credential.Gid)); err != nil {
			log.Fatal(err)
		}
	}
	run := func(name string, arguments ...string) *exec.Cmd {
		command := exec.Command(program(name), arguments...)
		command.Dir, command.Stdout, command.Stderr = directory, os.Stderr, os.Stderr
		command.SysProcAttr = attributes
		return command
	}
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); err != nil {
		err := run("initdb", "--pgdata="+data, "--username=hufu", "--auth=trust", "--encoding=UTF8",
			"--locale=C", "--no-sync").Run()
		if err != nil {
			log.Fatal(err)
		}
	}

	port := freePort()
	ready := make(chan struct{})
	go func() {
		// The signal comes when the thread ends that started the server.
		runtime.LockOSThread()
		for {
			// Fails while the server of a process before this one is still about to end.
			err := run("postgres", "-D", data, "-p", port, "-h", "127.0.0.1", "-k", directory,
				"-c", "max_connections=300", "-c", "fsync=off",
				// Whoever is killed leaves nothing in /dev/shm.
				"-c", "dynamic_shared_memory_type=mmap").Run()
			select {
			case <-ready:
				log.Fatal("PostgreSQL has ended: ", err)
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		err := run("pg_isready", "-q", "-h", "127.0.0.1", "-p", port).Run()
		if err == nil {
			close(ready)
			return "postgres://hufu@127.0.0.1:" + port + "/postgres"
		}
		if time.Now().After(deadline) {
			log.Fatal("PostgreSQL does not come up: ", err)
		}
	}
}

// program finds one of PostgreSQL's, in the newest version that Debian has installed.
func program(name string) string {
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name); len(found) > 0 {
		return found[len(found)-1]
	}
	found, err := exec.LookPath(name)
	if err != nil {
		log.Fatal(err)
	}
	return found
}

func other(name string) *syscall.Credential {
	account, err := user.Lookup(name)
	if err != nil {
		log.Fatal(err)
	}
	uid, _ := strconv.ParseUint(account.Uid, 10, 32)
	gid, _ := strconv.ParseUint(account.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// open lets others pass through a directory, not look into it.
func open(path string) {
	if about, err := os.Stat(path); err == nil {
		os.Chmod(path, about.Mode().Perm()|0o011)
	}
}

// freePort finds one below those that Linux gives to whoever connects somewhere (32768 and up): one
// of these may be gone before the server is up.
func freePort() string {
	for {
		port := strconv.Itoa(10000 + rand.Intn(22000))
		listener, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err == nil {
			listener.Close()
			return port
		}
	}
}
